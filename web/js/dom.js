// Builds DOM nodes from plain values: text always becomes a text node, never markup.
// The only place that creates elements; must never touch innerHTML or inline style attributes (the CSP forbids both).
// SPDX-License-Identifier: Apache-2.0

const SVG = "http://www.w3.org/2000/svg";

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "indeterminate", "selected", "tabIndex", "htmlFor"]);

function applyProp(node, name, value) {
  if (name === "class") node.className = value;
  else if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
  else if (name === "data") Object.assign(node.dataset, value);
  else if (PROPERTIES.has(name)) node[name] = value;
  else if (value === true) node.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
}

/** `h("p", {class: "note"}, "text", otherNode)`: an element with attributes, listeners (`on`), data (`data`) and children. */
export function h(tag, props, ...children) {
  const node = document.createElement(tag);
  if (props) for (const [name, value] of Object.entries(props)) applyProp(node, name, value);
  for (const child of children.flat(2)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

const ICONS = {
  link: ["M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1", "M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"],
  plus: ["M12 5v14", "M5 12h14"],
  copy: ["M9 9h10v10H9z", "M5 15V5h10"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  back: ["M15 5l-7 7 7 7"],
  more: ["M5 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z", "M12 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z", "M19 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2z"],
  pencil: ["M5 19l1-4L16.5 4.5l3 3L9 18z"],
  clock: ["M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16z", "M12 8v4.5l3 1.5"],
  out: ["M10 5H5.5v14H10", "M10 12h9.5", "M16 8l4 4-4 4"],
  trash: ["M5 7h14", "M10 7V4.5h4V7", "M7 7l1 13h8l1-13"],
  search: ["M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "M16 16l4 4"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  // A cog.
  menu: ["M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z", "M19.4 13.5l1.6 1.2-2 3.4-1.9-.8a7 7 0 0 1-2.1 1.2l-.3 2h-4l-.3-2a7 7 0 0 1-2.1-1.2l-1.9.8-2-3.4 1.6-1.2a7 7 0 0 1 0-3L4.4 9.3l2-3.4 1.9.8a7 7 0 0 1 2.1-1.2l.3-2h4l.3 2a7 7 0 0 1 2.1 1.2l1.9-.8 2 3.4-1.6 1.2a7 7 0 0 1 0 3z"],
  refresh: ["M19 6v4.5h-4.5", "M5 18v-4.5h4.5", "M18.5 10.5A7 7 0 0 0 6.3 8", "M5.5 13.5A7 7 0 0 0 17.7 16"],
  download: ["M12 4v11", "M7.5 11L12 15.5 16.5 11", "M5 20h14"],
  image: ["M4.5 5h15v14h-15z", "M4.5 16l4.5-4.5 3.5 3.5 2.5-2.5 4.5 4.5", "M15.5 9h.01"],
  warn: ["M12 4.5l8.5 15h-17z", "M12 10v4.5", "M12 17h.01"],
};

/** A decorative line icon; hidden from assistive technology, so its button needs a label of its own. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  for (const d of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** Sets text only if it differs, so that screen readers and selections are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows or hides without disturbing layout state that did not change. */
export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

/**
 * Makes `parent`'s children match `items`, reusing the view of each key: focus and typed text survive.
 * `views` is a Map kept by the caller; `create(item)` returns `{node, update(item)}`.
 */
export function keyed(parent, views, items, keyOf, create) {
  const keys = new Set(items.map(keyOf));
  // First remove, then place: a node that stays is not moved, and so keeps the focus.
  for (const [key, view] of views) {
    if (keys.has(key)) continue;
    view.node.remove();
    views.delete(key);
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let view = views.get(key);
    if (!view) views.set(key, (view = create(item)));
    view.update(item);
    if (view.node === at) at = at.nextElementSibling;
    else parent.insertBefore(view.node, at);
  }
}
