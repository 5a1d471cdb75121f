// The two things kept on this device: the selected instance's number and the theme. Never a key, code, token or text.
// SPDX-License-Identifier: Apache-2.0

const PREFIX = "linkrelay.";

/** The remembered value, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Remembers `value` for next time; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, String(value));
  } catch {
    // Blocked storage costs a convenience, nothing else.
  }
}

export function theme() {
  return document.documentElement.dataset.theme ?? "system";
}

/** `system`, `light` or `dark`. */
export function setTheme(choice) {
  if (choice === "system") {
    delete document.documentElement.dataset.theme;
    remember("theme", null);
  } else {
    document.documentElement.dataset.theme = choice;
    remember("theme", choice);
  }
}
