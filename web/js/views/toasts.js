// Short notices at the edge of the page, announced to screen readers without taking the focus.
// SPDX-License-Identifier: Apache-2.0

import { h, icon, keyed } from "../dom.js";

function toastView(app, toast) {
  const node = h(
    "div",
    { class: `toast ${toast.tone}` },
    h("p", null, toast.text),
    h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", on: { click: () => app.dismiss(toast.id) } }, icon("close")),
  );
  return { node, update() {} };
}

export function toastsView(app) {
  const node = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  const views = new Map();
  return {
    node,
    update(state) {
      // An open dialog is in the top layer, above everything else: notices have to be shown inside it to be seen.
      const host = document.querySelector("dialog[open]") ?? document.getElementById("app");
      if (node.parentElement !== host) host.append(node);
      keyed(node, views, state.toasts, (toast) => toast.id, (toast) => toastView(app, toast));
    },
  };
}
