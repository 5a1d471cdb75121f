// Starts the page: makes the app, shows the screen that its state asks for, and counts time for countdowns and "ago" texts.
// Screens are made once and kept, so that nothing typed is lost when another one shows.
// SPDX-License-Identifier: Apache-2.0

import { serverNow } from "./api.js";
import { App } from "./app.js";
import { h, show } from "./dom.js";
import { codeView } from "./views/code.js";
import { homeView } from "./views/home.js";
import { signInView } from "./views/sign-in.js";
import { toastsView } from "./views/toasts.js";

const TICK_MS = 1000;

const app = new App();
const root = document.getElementById("app");
const makers = { code: codeView, home: homeView, "signed-out": signInView };
const views = new Map();
const starting = h("div", { class: "starting", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), "Loading…");
const toasts = toastsView(app);
root.append(starting, toasts.node);

function viewOf(screen) {
  if (!views.has(screen) && makers[screen]) {
    const view = makers[screen](app);
    views.set(screen, view);
    root.insertBefore(view.node, toasts.node);
  }
  return views.get(screen);
}

/** Of an account that is signed out nothing stays: neither its lists nor a token in an open dialog. */
function forgetHome() {
  root.append(toasts.node); // it may stand in an open dialog
  for (const box of document.querySelectorAll("dialog")) {
    box.close();
    box.remove();
  }
  views.get("home").node.remove();
  views.delete("home");
}

function render(state) {
  if (state.session === null && views.has("home")) forgetHome();
  const present = viewOf(state.screen);
  show(starting, !present);
  for (const view of views.values()) show(view.node, view === present);
  present?.update(state, serverNow());
  toasts.update(state);
}

app.store.subscribe(render);
setInterval(() => document.visibilityState === "visible" && render(app.store.get()), TICK_MS);
app.start();
