// Asks for a link's new name. The typed name stays if the server cannot take it right now.
// SPDX-License-Identifier: Apache-2.0

import { h } from "../dom.js";
import { button, dialog, field, whileBusy } from "./parts.js";

const NAME_LENGTH = 80;

export function renameDialog(app) {
  const box = dialog("Rename link", { className: "small" });
  const name = field("Name", h("input", { type: "text", maxlength: NAME_LENGTH, autocomplete: "off", required: true }));
  const save = button("Save", { kind: "primary", type: "submit" });
  const form = h("form", { class: "stack" }, name.node, h("div", { class: "actions" }, button("Cancel", { onClick: () => box.close() }), save));
  let id = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = name.input.value.trim();
    name.setError(text ? "" : "Give it a name.");
    if (!text) return;
    await whileBusy(save, async () => {
      if (await app.renameInstance(id, text)) box.close();
    });
  });
  box.body.append(form);
  return {
    open(instanceId) {
      if (id !== instanceId || !name.input.value) name.input.value = app.instance(instanceId)?.name ?? "";
      id = instanceId;
      box.open();
      name.input.select();
    },
  };
}
