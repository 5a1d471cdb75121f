// What the stage shows while no link is selected: how linking works if there is none yet, or a hint to choose one.
// SPDX-License-Identifier: Apache-2.0

import { h, icon, show } from "../dom.js";
import { newLinkButton } from "./new-link.js";

function step(number, title, text) {
  const badge = h("span", { class: "step-number", "aria-hidden": "true" }, String(number));
  return h("li", null, badge, h("div", null, h("h3", null, title), h("p", { class: "muted" }, text)));
}

export function firstStepsView(app) {
  const steps = h(
    "section",
    { class: "first-steps" },
    h("h1", null, "Link your Stable Diffusion"),
    h("p", { class: "lead" }, "See what is installed, add models and make pictures from any browser, through this server only."),
    h("ol", { class: "steps" },
      step(1, "Make a link", "You get a six-character code that works once, for a few minutes."),
      step(2, "Enter the code", "In the A1111 web UI, in ComfyUI or in the desktop app, pointed at this server."),
      step(3, "It turns live here", "No reload needed. The install keeps its own key from then on.")),
    newLinkButton(app, "primary large"),
  );
  const hint = h("p", { class: "muted" }, "Its resources, activity and pictures appear here.");
  const choose = h("section", { class: "empty tall" }, icon("link"), h("h2", null, "Choose a link"), hint);
  return {
    node: h("div", { class: "stage-empty" }, steps, choose),
    update(state) {
      const isEmpty = state.instances !== null && state.instances.length === 0;
      show(steps, isEmpty);
      show(choose, state.instances !== null && !isEmpty);
    },
  };
}
