// What a link's install may be made to download: the owner's choices, on top of the server's. A dialog from the link's menu.
// Saves all choices in one call; what the server does not take stays typed, with its reason beside it.
// SPDX-License-Identifier: Apache-2.0

import { api } from "../api.js";
import { h, setText } from "../dom.js";
import { button, dialog, field, whileBusy } from "./parts.js";

const MODES = [["default", "As the server is set"], ["strict", "Check every download"], ["open", "Let everything through"]];

function listInput(placeholder) {
  return h("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", placeholder });
}

/** The words of a comma-separated line. */
function wordsOf(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

function hintOf({ mode, hosts, suffixes }) {
  const rule = mode === "open" ? "This server lets everything through." : "This server checks downloads: only https, no private addresses, plain file names.";
  const from = hosts.length > 0 ? ` Always allowed hosts: ${hosts.join(", ")}.` : "";
  return `${rule}${from} File kinds: ${suffixes.join(" ")}.`;
}

export function policyDialog(app) {
  const box = dialog("Downloads");
  const note = h("p", { class: "muted" });
  const mode = field("Checks", h("select", null, MODES.map(([value, text]) => h("option", { value }, text))));
  const hosts = field("Only from these hosts", listInput("civitai.com, *.example.org"), "Empty: every public host, unless the server has a list of its own.");
  const suffixes = field("Further file kinds", listInput(".engine, .trt"));
  const lan = field("Hosts of your own network", listInput("nas.local, 192.168.1.20:8080"), "Allowed although private, over http as well.");
  const save = button("Save", { kind: "primary", type: "submit" });
  const form = h(
    "form", { class: "stack", novalidate: true }, note, mode.node, hosts.node, suffixes.node, lan.node,
    h("div", { class: "actions" }, button("Cancel", { onClick: () => box.close() }), save),
  );
  const lists = { hosts, suffixes, lanHosts: lan };
  let id = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const policy = { mode: mode.input.value };
    for (const [name, one] of Object.entries(lists)) policy[name] = wordsOf(one.input.value);
    mode.setError("");
    await whileBusy(save, async () => {
      try {
        await api.setPolicy(id, policy);
        box.close();
        app.toast("The rules for downloads are saved.", "good");
      } catch (error) {
        mode.setError(error.message);
      }
    });
  });
  box.body.append(form);
  return {
    async open(instanceId) {
      id = instanceId;
      mode.setError("");
      let known;
      try {
        known = await api.policy(id);
      } catch (error) {
        app.toast(error.message, "error");
        return;
      }
      setText(note, hintOf(known.relay));
      mode.input.value = known.mode;
      for (const [name, one] of Object.entries(lists)) one.input.value = known[name].join(", ");
      box.open();
    },
  };
}
