// The signed-out page: says how to get a sign-in link, takes a token instead. What was pasted stays until it worked.
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "../dom.js";
import { brand, button, copyLine, field, whileBusy } from "./parts.js";

export function signInView(app) {
  const token = field(
    "Token",
    h("input", { type: "password", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true, placeholder: "lr_…" }),
    "Made with relayd token new NAME. It is exchanged for a session and not kept in this browser.",
  );
  const submit = button("Sign in", { kind: "primary", type: "submit" });
  const error = h("p", { class: "banner bad", role: "alert", hidden: true });
  const again = button("Try again", { kind: "primary", onClick: () => whileBusy(again, () => app.tryAgain()) });
  const form = h("form", { class: "stack" }, token.node, h("div", null, submit));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = token.input.value.trim();
    token.setError(text ? "" : "Paste a token first.");
    if (!text) return token.input.focus();
    await whileBusy(submit, async () => {
      if (await app.signInWithToken(text)) token.input.value = "";
      else token.input.focus();
    });
  });
  const node = h(
    "main",
    { class: "centered" },
    h(
      "section",
      { class: "card welcome" },
      h("header", { class: "welcome-head" }, brand()),
      h("h1", null, "Sign in to your relay"),
      h("p", { class: "lead" }, "This page links Stable Diffusion installs through a server of your own."),
      error,
      again,
      h("h2", null, "With a sign-in link"),
      h("p", null, "On the machine that runs the relay, ask for a link and open it in this browser. It works once."),
      copyLine("relayd sign-in", "command"),
      h("p", { class: "field-hint" }, "If the relay was started with ", h("code", null, "--data-dir"), ", add the same one. After ", h("code", null, "make run"), " it is ", h("code", null, "make sign-in"), "."),
      h("details", { class: "more" }, h("summary", null, "I have a token"), form),
    ),
  );
  return {
    node,
    update(state) {
      setText(error, state.signInError);
      show(error, state.signInError !== "");
      show(again, state.canTryAgain);
      document.title = "Sign in – LinkRelay";
    },
  };
}
