// What on the page is too faint, as lines of text: WCAG 2.2 AA asks 4.5:1 of text (3:1 of large text and of a field's border).
// Runs in the page as the body of a function and changes nothing. SPDX-License-Identifier: Apache-2.0

const parts = (color) => {
  const numbers = color.match(/[\d.]+/g).map(Number);
  const scale = color.startsWith("color(srgb") ? 255 : 1;
  return [...numbers.slice(0, 3).map((one) => one * scale), numbers[3] ?? 1];
};
const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]));
const luminance = (color) => {
  const [r, g, b] = color.map((one) => (one / 255 <= 0.03928 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ratio = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

/** The colour behind `node`'s contents; a dialog lies above everything else. */
function behind(node) {
  const layers = [];
  for (let one = node; one; one = one.tagName === "DIALOG" ? null : one.parentElement) layers.push(parts(getComputedStyle(one).backgroundColor));
  return layers.reverse().reduce((color, layer) => over(layer, color), [255, 255, 255]);
}

function opacity(node) {
  let product = 1;
  for (let one = node; one; one = one.parentElement) product *= Number(getComputedStyle(one).opacity);
  return product;
}

/** Of something `color`ed, as opaque as `share`, on `background`. */
function contrast(color, share, background) {
  const [r, g, b, alpha] = parts(color);
  return ratio(over([r, g, b, alpha * share], background), background);
}

const faint = [];
const say = (node, what, found, wanted) => found < wanted && faint.push(`${what} of <${node.tagName.toLowerCase()} class="${node.className}">: ${found.toFixed(2)}, not ${wanted}`);

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest(":disabled")) continue;
  const style = getComputedStyle(node);
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  say(node, `“${texts.currentNode.data.trim().slice(0, 30)}”`, contrast(style.color, opacity(node), behind(node)), isLarge ? 3 : 4.5);
}
for (const node of document.querySelectorAll("input:not([type=radio]), select, textarea")) {
  if (!node.checkVisibility()) continue;
  say(node, "border", contrast(getComputedStyle(node).borderTopColor, 1, behind(node.parentElement)), 3);
  if (!node.placeholder) continue;
  const style = getComputedStyle(node, "::placeholder");
  say(node, "placeholder", contrast(style.color, Number(style.opacity), behind(node)), 4.5);
}
return faint;
