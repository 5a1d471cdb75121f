// Which of the themes this device shows. SPDX-License-Identifier: Apache-2.0

import { h } from "../dom.js";
import { setTheme, theme } from "../settings.js";

export function themeChoice() {
  const options = [["system", "System"], ["light", "Light"], ["dark", "Dark"]].map(([value, label]) =>
    h("label", { class: "segment" },
      h("input", { type: "radio", name: "theme", value, checked: theme() === value, on: { change: () => setTheme(value) } }),
      h("span", null, label)),
  );
  return h("fieldset", { class: "theme-choice" }, h("legend", null, "Theme"), h("div", { class: "segments" }, options));
}
