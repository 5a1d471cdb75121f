// What a phone shows after scanning the QR code: the pairing code, large, to be typed or copied on the machine at hand.
// Needs no session and sends nothing.
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "../dom.js";
import { groupedCode } from "../format.js";
import { brand, button, copyButton } from "./parts.js";

export function codeView(app) {
  let code = "";
  const text = h("output", { class: "big-code" });
  const good = h(
    "div",
    { class: "stack center" },
    h("h1", null, "Your pairing code"),
    text,
    copyButton("Copy code", () => code, "primary large"),
    h("p", { class: "muted" }, "Type or paste it into the link settings of your Stable Diffusion install. It works once and only for a few minutes."),
  );
  const bad = h("div", { class: "stack center" }, h("h1", null, "That is not a pairing code"), h("p", { class: "muted" }, "A code has six characters, 0–9 and a–f. Scan the QR code again."));
  const node = h(
    "main",
    { class: "centered" },
    h("section", { class: "card welcome" }, h("header", { class: "welcome-head" }, brand()), good, bad,
      h("footer", { class: "welcome-foot" }, button("Open this relay’s page", { kind: "quiet", onClick: () => app.leaveCode() }))),
  );
  return {
    node,
    update(state) {
      code = state.shownCode ?? "";
      setText(text, groupedCode(code));
      text.setAttribute("aria-label", [...code].join(" "));
      show(good, code !== "");
      show(bad, code === "");
      document.title = "Pairing code – LinkRelay";
    },
  };
}
