// The signed-in frame: top bar, list of links beside the selected one (one of the two at a time on a narrow screen).
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "../dom.js";
import { phaseText } from "../words.js";
import { historyDialog } from "./history.js";
import { instanceView } from "./instance.js";
import { instancesView } from "./instances.js";
import { firstStepsView } from "./first-steps.js";
import { brand, closeDialogsOfLink, confirm, menu } from "./parts.js";
import { themeChoice } from "./theme-choice.js";
import { tokensDialog } from "./tokens.js";

async function askSignOut(app) {
  const text = "Every browser that is signed in here has to sign in again. Links and installs stay as they are.";
  const isSure = await confirm("Sign out everywhere?", text, "Sign out everywhere", "primary", "Stay signed in");
  if (isSure) app.signOut({ isEverywhere: true });
}

function connectionPill(onClick) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const text = h("span", { "aria-live": "polite" });
  const node = h("button", { type: "button", class: "pill", title: "Connection history", on: { click: onClick } }, dot, text);
  return {
    node,
    update({ selectedId, room }) {
      show(node, selectedId !== null);
      node.dataset.phase = room.phase;
      setText(text, phaseText(room.phase));
    },
  };
}

export function homeView(app) {
  const goHome = (event) => {
    event.preventDefault();
    app.select(null);
  };
  const toStage = (event) => {
    event.preventDefault();
    stage.focus();
  };
  const past = historyDialog(app);
  const tokens = tokensDialog();
  const pill = connectionPill(() => past.open());
  const list = instancesView(app);
  const detail = instanceView(app);
  const firstSteps = firstStepsView(app);
  const stage = h("main", { class: "stage", id: "stage", tabindex: "-1" }, firstSteps.node, detail.node);
  const workspace = h("div", { class: "workspace" }, list.node, stage);
  const home = h("a", { class: "brand-link", href: "/", "aria-label": "LinkRelay, all links", on: { click: goHome } }, brand());
  const node = h(
    "div",
    { class: "home" },
    h("a", { class: "skip", href: "#stage", on: { click: toStage } }, "Skip to content"),
    h(
      "header",
      { class: "top" },
      home,
      h("div", { class: "top-end" }, pill.node,
        menu("Settings", "menu", [
          themeChoice(),
          ["Connection history", "clock", () => past.open()],
          ["Access tokens", "link", () => tokens.open()],
          ["Sign out", "out", () => app.signOut()],
          ["Sign out everywhere", "out", () => askSignOut(app)],
        ])),
    ),
    workspace,
  );
  /** On a narrow screen the list and the stage take turns: whoever used the keyboard goes on in the one that is shown. */
  function keepFocus() {
    if (document.activeElement.checkVisibility()) return;
    if (stage.contains(document.activeElement)) list.node.querySelector(".row")?.focus();
    else stage.focus({ preventScroll: true });
  }
  let selectedId = null;
  return {
    node,
    update(state, now) {
      const selected = state.instances?.find((instance) => instance.id === state.selectedId) ?? null;
      workspace.dataset.showing = selected ? "detail" : "list";
      pill.update(state);
      list.update(state, now);
      show(firstSteps.node, !selected);
      show(detail.node, selected !== null);
      if (selected) detail.update(state, selected, now);
      else firstSteps.update(state);
      past.update(state);
      document.title = selected ? `${app.nameOf(selected.id)} – LinkRelay` : "LinkRelay";
      if (state.selectedId !== selectedId) {
        selectedId = state.selectedId;
        closeDialogsOfLink();
        scrollTo(0, 0);
        keepFocus();
      }
    },
  };
}
