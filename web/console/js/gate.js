// Asks for a token, where the listener is an address and not the Unix socket. SPDX-License-Identifier: Apache-2.0

import { h, setText } from "/js/dom.js";
import { brand, button, copyLine, field } from "/js/views/parts.js";

export function gateView(app) {
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: false });
  const secret = field("Access token", input, "Kept in this tab until it is closed.");
  const form = h("form", { class: "stack", novalidate: true }, secret.node, button("Open the console", { kind: "primary wide", type: "submit" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(text)) return secret.setError("Paste the token that the command printed.");
    app.open(text);
  });
  const node = h(
    "main", { class: "centered" },
    h("div", { class: "card welcome" },
      h("div", { class: "welcome-head" }, brand()),
      h("h1", null, "Operator’s console"),
      h("p", { class: "lead" }, "This address needs an access token with the scope admin. Make one on the server:"),
      copyLine("relayd token new --label console", "command"),
      h("p", { class: "field-hint" }, "If the relay was started with ", h("code", null, "--data-dir"), ", add the same one."),
      form));
  let wasShown = false;
  return {
    node,
    update({ gateError, isLocked }) {
      secret.setError(gateError ?? "");
      if (gateError) setText(secret.node.querySelector(".field-error"), gateError);
      if (isLocked && !wasShown) input.focus();
      if (!isLocked) input.value = "";
      wasShown = isLocked;
    },
  };
}
