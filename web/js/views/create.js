// A simple picture form: prompt, size, steps, seed; shows progress and the pictures that come back.
// The form keeps its text whatever happens. Pictures live in memory and can be saved.
// SPDX-License-Identifier: Apache-2.0

import { isRunning } from "../activities.js";
import { h, icon, keyed, setText, show } from "../dom.js";
import { failureText } from "../words.js";
import { button, field, progressBar } from "./parts.js";

const SIZES = [[512, 512], [512, 768], [768, 512], [768, 768], [1024, 1024], [832, 1216], [1216, 832]];

function makeFields() {
  return {
    prompt: field("Prompt", h("textarea", { rows: 4, maxlength: 20000, placeholder: "A lighthouse in fog, morning light" })),
    negative: field("Negative prompt", h("textarea", { rows: 2, maxlength: 20000 })),
    size: field("Size", h("select", null, SIZES.map(([w, hgt]) => h("option", { value: `${w}x${hgt}` }, `${w} × ${hgt}`)))),
    steps: field("Steps", h("input", { type: "number", min: 1, max: 150, value: "30", inputmode: "numeric" })),
    seed: field("Seed", h("input", { type: "text", inputmode: "numeric", placeholder: "random", autocomplete: "off" })),
  };
}

function pictureView(picture) {
  const suffix = picture.type.slice(picture.type.indexOf("/") + 1);
  const node = h("li", { class: "picture" },
    h("a", { href: picture.url, download: `linkrelay-${picture.key.replaceAll("/", "-")}.${suffix}`, title: "Save picture" },
      h("img", { src: picture.url, alt: picture.prompt || "Generated picture", loading: "lazy" })));
  return { node, update() {} };
}

export function createView(app) {
  const fields = makeFields();
  const submit = button("Create", { kind: "primary", type: "submit", iconName: "image" });
  const bar = progressBar("Picture progress");
  const state = h("p", { class: "muted", role: "status" });
  const form = h("form", { class: "card stack create-form", novalidate: true },
    fields.prompt.node, fields.negative.node,
    h("div", { class: "triple" }, fields.size.node, fields.steps.node, fields.seed.node),
    h("div", { class: "actions start" }, submit), bar.node, state);
  const gallery = h("ul", { class: "gallery", "aria-label": "Pictures" });
  const views = new Map();
  const hint = "They appear here as soon as the install has made them, and stay until this page is closed.";
  const empty = h("div", { class: "empty" }, icon("image"), h("h2", null, "No pictures yet"), h("p", { class: "muted" }, hint));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const steps = Number(fields.steps.input.value);
    const seedText = fields.seed.input.value.trim();
    const isStepsGood = Number.isInteger(steps) && steps >= 1 && steps <= 150;
    const isSeedGood = /^-?\d{0,15}$/.test(seedText);
    const prompt = fields.prompt.input.value.trim();
    fields.prompt.setError(prompt ? "" : "Describe the picture.");
    fields.steps.setError(isStepsGood ? "" : "1 to 150.");
    fields.seed.setError(isSeedGood ? "" : "A whole number, or empty.");
    if (!prompt) return fields.prompt.input.focus();
    if (!isStepsGood || !isSeedGood) return;
    const [width, height] = fields.size.input.value.split("x").map(Number);
    app.room.command("image:txt2img", {
      quantity: 1,
      batchSize: 1,
      params: { prompt, negativePrompt: fields.negative.input.value.trim(), steps, width, height, seed: seedText === "" ? -1 : Number(seedText), cfgScale: 7 },
    });
  });

  return {
    node: h("div", { class: "panel create" }, form, h("div", null, gallery, empty)),
    update({ room }) {
      const latest = room.activities.find((activity) => String(activity.type).startsWith("image:"));
      const isBusy = latest !== undefined && isRunning(latest);
      show(bar.node, isBusy);
      if (isBusy) bar.update(latest.progress);
      setText(state, !latest ? "" : isBusy ? "The install is working on it…" : latest.status === "error" ? failureText(latest) : "");
      state.classList.toggle("bad-text", latest?.status === "error");
      keyed(gallery, views, room.pictures, (picture) => picture.key, pictureView);
      show(empty, room.pictures.length === 0);
    },
  };
}
