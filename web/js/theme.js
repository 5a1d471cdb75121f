// Applies the chosen theme before the first paint, so that a dark page never flashes white.
// A classic script on purpose: modules run too late for that. Reads one local setting, nothing else.
// SPDX-License-Identifier: Apache-2.0
(() => {
  try {
    const choice = localStorage.getItem("linkrelay.theme");
    if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
  } catch {
    // Storage may be blocked; the system's theme is right then.
  }
})();
