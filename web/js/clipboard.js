// Copies text, also on plain-http LAN addresses where the clipboard API is missing.
// SPDX-License-Identifier: Apache-2.0

/** Resolves to whether the text is on the clipboard now. Call it from a click. */
export async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by the browser; the older way may still work.
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "offscreen";
  area.setAttribute("aria-hidden", "true");
  const host = document.querySelector("dialog[open]") ?? document.body;
  const focused = document.activeElement;
  host.append(area);
  area.select();
  let isCopied = false;
  try {
    isCopied = document.execCommand("copy");
  } finally {
    area.remove();
    focused?.focus?.();
  }
  return isCopied;
}
