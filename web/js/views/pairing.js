// The pairing panel: the code in large type, how long it lasts, a QR code for it, and what to do in each client.
// Waits in the code's room, so the link turns live here by itself. The code leaves the screen as soon as it is spent.
// SPDX-License-Identifier: Apache-2.0

import { api } from "../api.js";
import { h, setText, show } from "../dom.js";
import { countdown, groupedCode } from "../format.js";
import { approvalView } from "./approval.js";
import { button, copyButton, copyLine, field, tabs } from "./parts.js";

const NAME_LENGTH = 80;
const IS_LOCAL = /^(localhost|127\.|\[::1\])/.test(location.hostname);

function guide(items) {
  return h("ol", { class: "guide" }, items.map((item) => h("li", null, item)));
}

function guides() {
  const address = location.origin;
  const a1111 = guide([
    ["Add this flag to ", h("code", null, "COMMANDLINE_ARGS"), " and start the web UI:", copyLine(`--civitai-link-endpoint ${address}`, "flag")],
    ["Open ", h("b", null, "Settings → Civitai"), ", put the code into ", h("b", null, "Civitai Link Key"), " and apply."],
  ]);
  const comfy = guide([
    ["Set this variable and start ComfyUI:", copyLine(`CIVITAI_LINK_URL=${address}`, "variable")],
    ["Open the ", h("b", null, "Civitai"), " panel, choose ", h("b", null, "Use a pairing code"), ", enter the code and press ", h("b", null, "Pair"), "."],
  ]);
  const desktop = guide([
    ["The app’s server is fixed when it is built. Build it with:", copyLine(`MAIN_VITE_SOCKET_URL=${address}`, "variable")],
    ["Start it and type the code into its six boxes."],
  ]);
  const bar = tabs("Your client", [["a1111", "A1111", a1111], ["comfy", "ComfyUI", comfy], ["desktop", "Desktop app", desktop]]);
  return h("section", { class: "guides" }, h("h2", null, "Where to enter it"), bar.node, a1111, comfy, desktop,
    h("p", { class: "muted" }, "This server’s address:"), copyLine(address, "address"),
    IS_LOCAL && h("div", { class: "field-hint" }, "It works on this computer only. For an install elsewhere, or a phone: let the relay listen on the network (",
      h("code", null, "--listen 0.0.0.0:8787"), ") and open this page by this computer’s network address."));
}

/** The picture of the code as a link to this page; nothing at all if the server makes none. */
function qrView() {
  const image = h("img", { alt: "QR code that shows this pairing code on a phone", width: 168, height: 168 });
  const note = h("p", { class: "muted" }, "Scan to show the code on a phone.");
  const node = h("figure", { class: "qr", hidden: true }, image, h("figcaption", null, note));
  if (IS_LOCAL) setText(note, "Opens on this computer only; use its network address to scan from a phone.");
  let shownCode = null;
  let url = null;
  function free() {
    if (url) URL.revokeObjectURL(url);
    url = null;
    image.removeAttribute("src");
    node.hidden = true;
  }
  return {
    node,
    async update(code) {
      if (code === shownCode) return;
      shownCode = code;
      free();
      if (!code) return;
      try {
        const blob = await api.qr(`${location.origin}/#code=${code}`);
        if (code !== shownCode) return;
        url = URL.createObjectURL(blob);
        image.src = url;
        node.hidden = false;
      } catch {
        // The code itself is on the screen; the picture is a convenience.
      }
    },
  };
}

function nameField(app) {
  const name = field("Name (optional)", h("input", { type: "text", maxlength: NAME_LENGTH, autocomplete: "off", placeholder: "Studio PC" }));
  const saved = h("span", { class: "saved muted", role: "status" });
  name.node.append(saved);
  let id = null;
  name.input.addEventListener("change", async () => {
    const text = name.input.value.trim();
    const target = id;
    if (text && text !== app.instance(target)?.name && (await app.renameInstance(target, text))) setText(saved, "Saved");
  });
  name.input.addEventListener("input", () => setText(saved, ""));
  name.input.addEventListener("keydown", (event) => event.key === "Enter" && name.input.blur());
  return {
    node: name.node,
    update(instance) {
      if (instance.id === id) return;
      id = instance.id;
      name.input.value = instance.name;
      setText(saved, "");
    },
  };
}

export function pairingView(app) {
  let code = "";
  const codeText = h("output", { class: "big-code" });
  const left = h("span", { class: "countdown" });
  const waiting = h("p", { class: "waiting", role: "status" });
  const qr = qrView();
  const name = nameField(app);
  const approval = approvalView(app);
  const again = button("Get a new code", { kind: "primary", onClick: () => app.rekeyInstance(app.store.get().selectedId) });
  const fresh = h("div", { class: "code-side" },
    h("h2", { id: "code-heading", tabindex: "-1" }, "Enter this code on your install"), codeText,
    h("div", { class: "code-actions" }, copyButton("Copy code", () => code, "primary"), left), waiting);
  const expired = h("div", { class: "code-side" }, h("h2", null, "This code has expired"),
    h("p", { class: "muted" }, "Codes live for a few minutes, so that nobody can guess them. A new one takes a second."), again);
  const panel = h("div", { class: "card code-card" }, fresh, expired, qr.node);
  const node = h("div", { class: "pairing" }, approval.node, panel, h("div", { class: "card" }, guides()), h("div", { class: "card name-card" }, name.node));
  return {
    node,
    update(state, instance, condition, now) {
      const isFresh = condition === "code";
      code = isFresh ? instance.key : "";
      setText(codeText, groupedCode(code));
      codeText.setAttribute("aria-label", [...code].join(" "));
      qr.update(code);
      show(fresh, isFresh);
      show(expired, condition === "expired");
      if (!isFresh) show(approval.node, false);
      if (!isFresh) return;
      name.update(instance);
      approval.update(state, instance);
      setText(left, instance.expiresAt === null ? "" : `Expires in ${countdown(instance.expiresAt, now)}`);
      const isThere = state.room.phase === "joined";
      setText(waiting, isThere ? "Waiting for your install…" : state.room.phase === "waiting" ? "Reconnecting…" : "Connecting…");
      waiting.classList.toggle("is-there", isThere);
    },
  };
}
