// The form that adds a resource by URL and hash. Checks what can be checked here; the install does the download.
// Closing keeps what was typed; it is cleared only after the command has gone out.
// SPDX-License-Identifier: Apache-2.0

import { h } from "../dom.js";
import { button, dialog, field } from "./parts.js";

const RESOURCE_TYPES = [
  "Checkpoint", "LORA", "LoCon", "TextualInversion", "VAE", "Controlnet", "Upscaler", "Hypernetwork",
  "AestheticGradient", "CheckpointConfig", "Poses", "Wildcards", "Other",
];

/** The URL's last path part as a file name, or "". */
function fileNameOf(text) {
  try {
    const last = new URL(text).pathname.split("/").pop();
    return decodeURIComponent(last).replace(/[\\/]/g, "");
  } catch {
    return "";
  }
}

function input(attributes) {
  return h("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes });
}

function makeFields() {
  return {
    url: field("Download URL", input({ inputmode: "url", placeholder: "https://…/model.safetensors" })),
    hash: field("SHA-256", input({ class: "mono", maxlength: 80, placeholder: "64 hex digits" }), "Civitai shows it on the model’s page, among the file’s hashes. The install compares it with what it has downloaded."),
    type: field("Type", h("select", null, RESOURCE_TYPES.map((type) => h("option", { value: type }, type)))),
    name: field("File name", input({ maxlength: 200, placeholder: "model.safetensors" })),
    modelName: field("Model name (optional)", input({ maxlength: 200 })),
    version: field("Version (optional)", input({ maxlength: 200 })),
  };
}

/** What is wrong with the values, by field; empty if nothing is. */
function problemsOf({ url, hash, name }) {
  const problems = {};
  let parsed = null;
  try {
    parsed = new URL(url);
  } catch {
    problems.url = "Enter a whole address, starting with https://.";
  }
  if (parsed && parsed.protocol !== "https:" && parsed.protocol !== "http:") problems.url = "Only https:// and http:// addresses can be downloaded.";
  if (!/^[0-9a-f]{64}$/i.test(hash)) problems.hash = "A SHA-256 has 64 digits, 0–9 and a–f.";
  if (!name) problems.name = "Enter the name the file gets on the install.";
  else if (/[\\/]/.test(name) || name.startsWith(".")) problems.name = "A file name without folders, please.";
  return problems;
}

export function addDialog(app) {
  const box = dialog("Add a resource");
  const fields = makeFields();
  const submit = button("Add resource", { kind: "primary", type: "submit" });
  const form = h(
    "form",
    { class: "stack", novalidate: true },
    fields.url.node,
    fields.hash.node,
    h("div", { class: "pair" }, fields.type.node, fields.name.node),
    h("div", { class: "pair" }, fields.modelName.node, fields.version.node),
    h("div", { class: "actions" }, button("Close", { onClick: () => box.close() }), submit),
  );
  let isNameTyped = false;
  fields.name.input.addEventListener("input", () => (isNameTyped = fields.name.input.value !== ""));
  fields.url.input.addEventListener("input", () => {
    if (!isNameTyped) fields.name.input.value = fileNameOf(fields.url.input.value.trim());
  });

  function values() {
    const text = (key) => fields[key].input.value.trim();
    return { url: text("url"), hash: text("hash").replace(/\s/g, "").toUpperCase(), type: text("type"), name: text("name"), modelName: text("modelName"), version: text("version") };
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = values();
    const problems = problemsOf(given);
    for (const key of Object.keys(fields)) fields[key].setError(problems[key] ?? "");
    const first = Object.keys(fields).find((key) => problems[key]);
    if (first) return fields[first].input.focus();
    const resource = { type: given.type, name: given.name, hash: given.hash, url: given.url, modelName: given.modelName || given.name };
    if (given.version) resource.modelVersionName = given.version;
    if (app.room.command("resources:add", { resource }) === null) return;
    form.reset();
    isNameTyped = false;
    box.close();
  });
  box.body.append(form);

  return {
    /** Opens the form, filled from a former attempt if one is given. */
    open(resource = null) {
      if (resource) {
        fields.url.input.value = resource.url ?? "";
        fields.hash.input.value = resource.hash ?? "";
        if (RESOURCE_TYPES.includes(resource.type)) fields.type.input.value = resource.type;
        fields.name.input.value = resource.name ?? "";
        fields.modelName.input.value = resource.modelName === resource.name ? "" : (resource.modelName ?? "");
        fields.version.input.value = resource.modelVersionName ?? "";
        isNameTyped = true;
      }
      box.open();
      fields.url.input.focus();
    },
  };
}
