// Access tokens: which there are, a new one (shown once), and the end of one. A token is in memory only while its dialog is open.
// SPDX-License-Identifier: Apache-2.0

import { api, serverNow, timeOf } from "../api.js";
import { h, show } from "../dom.js";
import { ago, fullTime } from "../format.js";
import { button, confirm, copyLine, dialog, field } from "./parts.js";

const SCOPES = { link: "links", admin: "operator" };

function tokenRow(token, revoke) {
  const made = timeOf(token.createdAt);
  const used = timeOf(token.lastUsedAt);
  const facts = [token.scopes.map((scope) => SCOPES[scope] ?? scope).join(", "), `made ${ago(made, serverNow())}`, used ? `used ${ago(used, serverNow())}` : "never used"];
  return h("li", { class: "token" },
    h("div", { class: "token-text" }, h("strong", null, token.label), h("p", { class: "muted", title: fullTime(made) }, facts.join(" · "))),
    button("Revoke", { kind: "small", "aria-label": `Revoke ${token.label}`, onClick: () => revoke(token) }));
}

export function tokensDialog() {
  const box = dialog("Access tokens", { outlivesLink: true, onClose: () => fresh.replaceChildren() });
  const fresh = h("div", { class: "fresh-token", "aria-live": "polite" });
  const rows = h("ul", { class: "tokens" });
  const empty = h("p", { class: "muted" }, "No tokens yet.");
  const label = field("Label", h("input", { autocomplete: "off", maxlength: 60 }), "What it is for: the name of the install or script.");
  const form = h("form", { class: "stack", novalidate: true }, label.node, h("div", { class: "actions" }, button("Make token", { kind: "primary", type: "submit" })));
  box.body.append(h("p", { class: "muted" }, "Programs sign in with a token instead of a browser. Whoever has it can use your links."), fresh, rows, empty, form);

  function fail(error) {
    if (error.status === 401) box.close();
    label.setError(error.message);
  }

  async function load() {
    try {
      const tokens = await api.tokens();
      rows.replaceChildren(...tokens.map((token) => tokenRow(token, revoke)));
      show(empty, tokens.length === 0);
    } catch (error) {
      fail(error);
    }
  }

  async function revoke(token) {
    const isSure = await confirm(`Revoke “${token.label}”?`, "Whatever signs in with it is signed out at once. Links that it made stay.", "Revoke");
    if (!isSure) return;
    try {
      await api.revokeToken(token.id);
    } catch (error) {
      fail(error);
    }
    load();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    label.setError("");
    try {
      const made = await api.makeToken(label.input.value.trim());
      fresh.replaceChildren(h("p", null, "Copy it now; it is not shown again."), copyLine(made.token, "token"));
      form.reset();
      load();
    } catch (error) {
      fail(error);
    }
  });

  return {
    open() {
      label.setError("");
      box.open();
      load();
    },
  };
}
