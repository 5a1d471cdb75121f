// Small pieces that several views share: buttons, copy buttons, fields, dialogs, presence dots, menus.
// Each returns a node, or `{node, update}` if it changes. Knows nothing of the app's state.
// SPDX-License-Identifier: Apache-2.0

import { copyText } from "../clipboard.js";
import { h, icon, setText } from "../dom.js";

export function brand() {
  return h("span", { class: "brand" }, h("img", { src: "/icon.svg", alt: "", width: 28, height: 28 }), h("span", null, "LinkRelay"));
}

export function button(label, { kind = "plain", iconName, onClick, type = "button", ...rest } = {}) {
  return h("button", { type, class: `button ${kind}`, on: onClick ? { click: onClick } : {}, ...rest }, iconName && icon(iconName), h("span", null, label));
}

/** Runs `work` unless it runs already. The button says so but keeps the focus, which a disabled one would lose. */
export async function whileBusy(node, work) {
  if (node.getAttribute("aria-disabled") === "true") return;
  node.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    node.removeAttribute("aria-disabled");
  }
}

export function iconButton(label, iconName, onClick, rest = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click: onClick }, ...rest }, icon(iconName));
}

/** A button that copies what `textOf()` gives and says so in place. */
export function copyButton(label, textOf, kind = "plain") {
  const text = h("span", { "aria-live": "polite" }, label);
  let timer = 0;
  const node = h("button", { type: "button", class: `button ${kind} copy` }, icon("copy"), text);
  node.addEventListener("click", async () => {
    const isCopied = await copyText(textOf());
    text.textContent = isCopied ? "Copied" : "Select and copy by hand";
    node.classList.toggle("done", isCopied);
    clearTimeout(timer);
    timer = setTimeout(() => {
      text.textContent = label;
      node.classList.remove("done");
    }, 2000);
  });
  return node;
}

/** A line of text in a box with a copy button: addresses, flags, commands. */
export function copyLine(text, label) {
  const said = h("span", { class: "offscreen", role: "status" });
  return h(
    "span",
    { class: "copy-line" },
    h("code", null, text),
    said,
    h("button", {
      type: "button",
      class: "icon-button",
      "aria-label": `Copy ${label}`,
      title: `Copy ${label}`,
      on: {
        async click(event) {
          const target = event.currentTarget;
          const isCopied = await copyText(text);
          setText(said, isCopied ? "Copied" : "Select and copy by hand");
          if (isCopied) target.replaceChildren(icon("check"));
          setTimeout(() => {
            setText(said, "");
            target.replaceChildren(icon("copy"));
          }, 1500);
        },
      },
    }, icon("copy")),
  );
}

let fieldNumber = 0;

/** A labelled input with a hint and a place for its error. `input` is any form control. */
export function field(label, input, hint = "") {
  const id = `field-${++fieldNumber}`;
  input.id = id;
  const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
  const hintNode = hint ? h("p", { class: "field-hint", id: `${id}-hint` }, hint) : null;
  const describedBy = [hint ? `${id}-hint` : "", `${id}-error`].filter(Boolean).join(" ");
  input.setAttribute("aria-describedby", describedBy);
  return {
    node: h("div", { class: "field" }, h("label", { for: id }, label), input, hintNode, error),
    input,
    setError(text) {
      error.hidden = !text;
      setText(error, text);
      input.setAttribute("aria-invalid", text ? "true" : "false");
    },
  };
}

/** A modal dialog that keeps its contents, and what was typed there, when it is closed. With `outlivesLink` it stays when another link is shown. */
export function dialog(title, { className = "", onClose, outlivesLink = false } = {}) {
  const heading = h("h2", { id: `dialog-${++fieldNumber}` }, title);
  const body = h("div", { class: "dialog-body" });
  const node = h(
    "dialog",
    { class: `dialog ${className}`, "aria-labelledby": heading.id, data: outlivesLink ? { outlivesLink: "" } : {} },
    h("header", { class: "dialog-head" }, heading, iconButton("Close", "close", () => node.close())),
    body,
  );
  // A press on the backdrop closes; the check on the press's start keeps text selections from doing so.
  let isPressOutside = false;
  node.addEventListener("pointerdown", (event) => (isPressOutside = event.target === node));
  node.addEventListener("click", (event) => event.target === node && isPressOutside && node.close());
  if (onClose) node.addEventListener("close", onClose);
  return {
    node,
    body,
    heading,
    open() {
      if (!node.isConnected) document.getElementById("app").append(node);
      if (!node.open) node.showModal();
    },
    close: () => node.close(),
  };
}

/** Another link is shown, perhaps because somebody deleted this one: what was asked about it must not be answered for that. */
export function closeDialogsOfLink() {
  for (const node of document.querySelectorAll("dialog[open]:not([data-outlives-link])")) node.close();
}

/** Asks a question; resolves to whether it was confirmed. */
export function confirm(title, text, action, kind = "danger", refusal = "Keep it") {
  return new Promise((resolve) => {
    let isConfirmed = false;
    const box = dialog(title, { className: "small", onClose: () => { box.node.remove(); resolve(isConfirmed); } });
    const go = button(action, { kind, onClick: () => { isConfirmed = true; box.close(); } });
    box.body.append(h("p", null, text), h("div", { class: "actions" }, button(refusal, { onClick: () => box.close() }), go));
    box.open();
  });
}

/** A button that opens a short menu. `items`: `[label, iconName, action, kind?]` or a node. */
export function menu(label, iconName, items) {
  const list = h("div", { class: "menu", hidden: true });
  const toggle = iconButton(label, iconName, () => (list.hidden ? open() : close()), { "aria-expanded": "false", "aria-haspopup": "true" });
  const node = h("div", { class: "menu-anchor" }, toggle, list);
  for (const item of items) {
    if (item instanceof Node) list.append(item);
    else list.append(h("button", { type: "button", class: `menu-item ${item[3] ?? ""}`, on: { click: () => { close(); item[2](); } } }, icon(item[1]), item[0]));
  }
  const outside = (event) => !node.contains(event.target) && close();
  function open() {
    list.hidden = false;
    toggle.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    list.querySelector("button, input")?.focus();
  }
  function close() {
    if (list.hidden) return;
    list.hidden = true;
    toggle.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
    if (node.contains(document.activeElement)) toggle.focus();
  }
  node.addEventListener("keydown", (event) => {
    const entries = [...list.querySelectorAll("button, input")];
    const at = entries.indexOf(document.activeElement);
    if (event.key === "Escape") close();
    else if (event.key === "ArrowDown" && at >= 0 && document.activeElement.tagName === "BUTTON") entries[(at + 1) % entries.length].focus();
    else if (event.key === "ArrowUp" && at >= 0 && document.activeElement.tagName === "BUTTON") entries[(at - 1 + entries.length) % entries.length].focus();
    else return;
    event.preventDefault();
  });
  node.addEventListener("focusout", (event) => event.relatedTarget && !node.contains(event.relatedTarget) && close());
  return node;
}

/** A progress bar that is indeterminate until a number comes. */
export function progressBar(label) {
  const fill = h("span", { class: "bar-fill" });
  const node = h("div", { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  return {
    node,
    update(percent) {
      const isKnown = Number.isFinite(percent);
      node.classList.toggle("unknown", !isKnown);
      if (isKnown) {
        const value = Math.min(100, Math.max(0, percent));
        fill.style.transform = `scaleX(${value / 100})`;
        node.setAttribute("aria-valuenow", String(Math.round(value)));
      } else node.removeAttribute("aria-valuenow");
    },
  };
}

/** Tabs with arrow keys. `tabs`: `[[id, label, panelNode], …]`. */
export function tabs(label, entries) {
  const buttons = new Map();
  const bar = h("div", { class: "tabs", role: "tablist", "aria-label": label });
  const prefix = `tab-${++fieldNumber}`;
  let present = entries[0][0];
  for (const [id, text, panel] of entries) {
    const tab = h(
      "button",
      { type: "button", role: "tab", id: `${prefix}-${id}`, "aria-controls": `${prefix}-${id}-panel`, on: { click: () => choose(id) } },
      h("span", null, text),
      h("span", { class: "tab-count" }),
    );
    panel.id = `${prefix}-${id}-panel`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    buttons.set(id, { tab, panel });
    bar.append(tab);
  }
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const ids = entries.map(([id]) => id);
    const next = ids[(ids.indexOf(present) + step + ids.length) % ids.length];
    choose(next);
    buttons.get(next).tab.focus();
    event.preventDefault();
  });
  function choose(id) {
    present = id;
    for (const [key, { tab, panel }] of buttons) {
      tab.setAttribute("aria-selected", key === id ? "true" : "false");
      tab.tabIndex = key === id ? 0 : -1;
      panel.hidden = key !== id;
    }
    bar.dispatchEvent(new Event("choose"));
  }
  choose(present);
  return {
    node: bar,
    choose,
    present: () => present,
    setCount: (id, text) => setText(buttons.get(id).tab.querySelector(".tab-count"), text),
  };
}
