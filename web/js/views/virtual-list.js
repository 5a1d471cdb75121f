// Shows a list of any length by keeping only the rows near the window in the document; the page itself scrolls.
// Decides which rows exist. A row that holds the focus is kept even out of sight, so that the keyboard never loses its place.
// SPDX-License-Identifier: Apache-2.0

const MARGIN_PX = 600;

/** The last index whose offset is at or above `y`. `offsets` ascends and starts with 0. */
function indexAt(offsets, y) {
  let low = 0;
  let high = offsets.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle] <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** `heightOf(item)` in CSS pixels; `keyOf(item)` tells which item is the same in another list; `create(item, index, total)` makes the row's node. `host` is positioned by its class. */
export function virtualList(host, heightOf, keyOf, create) {
  let items = [];
  let offsets = new Float64Array(1);
  let rows = new Map();
  let isScheduled = false;

  function make(index) {
    const node = create(items[index], index, items.length);
    node.style.transform = `translateY(${offsets[index]}px)`;
    node.style.height = `${heightOf(items[index])}px`;
    rows.set(index, node);
  }

  /** The document's order is the list's, for those who hear it read. A row that is in its place is not moved, or it would lose the focus. */
  function place() {
    let at = host.firstElementChild;
    for (const index of [...rows.keys()].sort((a, b) => a - b)) {
      const node = rows.get(index);
      if (node === at) at = at.nextElementSibling;
      else host.insertBefore(node, at);
    }
  }

  function render() {
    isScheduled = false;
    if (!host.isConnected || host.offsetParent === null) return;
    const top = host.getBoundingClientRect().top;
    const first = indexAt(offsets, Math.max(0, -top - MARGIN_PX));
    const last = Math.min(items.length - 1, indexAt(offsets, Math.max(0, innerHeight - top + MARGIN_PX)));
    for (const [index, node] of rows) {
      if ((index < first || index > last) && !node.contains(document.activeElement)) {
        node.remove();
        rows.delete(index);
      }
    }
    for (let index = first; index <= last; index += 1) if (!rows.has(index)) make(index);
    place();
  }

  function schedule() {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(render);
  }

  addEventListener("scroll", schedule, { passive: true });
  addEventListener("resize", () => set(items));

  const controls = (node) => [...node.querySelectorAll("button, a")];

  /** Where the focus is: the item, its place and which of its controls; null if it is elsewhere. */
  function heldPlace() {
    for (const [index, node] of rows) {
      if (node.contains(document.activeElement)) return { key: keyOf(items[index]), index, control: controls(node).indexOf(document.activeElement) };
    }
    return null;
  }

  /** Back to the same item, or to what is in its place now. */
  function hold({ key, index, control }) {
    const found = items.findIndex((item) => keyOf(item) === key);
    const target = found >= 0 ? found : Math.min(index, items.length - 1);
    if (target < 0) return;
    if (!rows.has(target)) {
      make(target);
      place();
    }
    const all = controls(rows.get(target));
    (all[control] ?? all.at(-1))?.focus({ preventScroll: true });
  }

  function set(next) {
    const held = heldPlace();
    items = next;
    offsets = new Float64Array(items.length + 1);
    for (let index = 0; index < items.length; index += 1) offsets[index + 1] = offsets[index] + heightOf(items[index]);
    host.style.height = `${offsets[items.length]}px`;
    host.replaceChildren();
    rows = new Map();
    render();
    if (held) hold(held);
  }

  return { set, schedule };
}
