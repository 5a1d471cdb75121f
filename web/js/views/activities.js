// Activities: what was asked of the install and what became of it, with live progress and cancel.
// Also the strip of what is running, shown above the other tabs.
// SPDX-License-Identifier: Apache-2.0

import { hasEnded, isRunning, titleOf } from "../activities.js";
import { timeOf } from "../api.js";
import { h, icon, keyed, setText, show } from "../dom.js";
import { ago, remaining, speed } from "../format.js";
import { commandText, failureText, stateText } from "../words.js";
import { button, iconButton, progressBar } from "./parts.js";

function detailOf(activity, now) {
  if (activity.status === "error") return failureText(activity);
  if (activity.status === "unanswered") return "The connection was interrupted and no answer has come since. Look at the resources to see what became of it.";
  if (isRunning(activity)) {
    const parts = [Number.isFinite(activity.progress) ? `${Math.floor(activity.progress)} %` : stateText(activity.status)];
    if (Number.isFinite(activity.speed) && activity.speed > 0) parts.push(speed(activity.speed));
    if (Number.isFinite(activity.remainingTime) && activity.remainingTime > 0) parts.push(remaining(activity.remainingTime));
    return parts.join(" · ");
  }
  const at = timeOf(activity.updatedAt) ?? timeOf(activity.createdAt);
  return at ? ago(at, now) : "";
}

function activityRow(app, add, first, onDismiss = null) {
  const title = h("span", { class: "activity-title" });
  const kind = h("span", { class: "muted" });
  const state = h("span", { class: "chip" });
  const detail = h("p", { class: "muted activity-detail" });
  const bar = progressBar("Progress");
  let activity = first;
  const cancel = button("Cancel", {
    kind: "small",
    onClick() {
      if (app.room.cancel(activity.id) !== null) cancel.disabled = true;
    },
  });
  const again = button("Try again", { kind: "small", onClick: () => add.open(activity.resource) });
  const dismiss = onDismiss && iconButton("Dismiss", "close", () => onDismiss(activity.id));
  const node = h("li", { class: "activity" },
    h("div", { class: "activity-line" }, h("div", { class: "activity-text" }, title, kind), state, cancel, again, dismiss), bar.node, detail);
  return {
    node,
    update({ activity: next, now }) {
      if (next.status !== activity.status) cancel.disabled = false;
      activity = next;
      node.dataset.status = activity.status;
      setText(title, titleOf(activity));
      title.title = titleOf(activity);
      setText(kind, commandText(activity.type));
      setText(state, stateText(activity.status));
      state.dataset.status = activity.status;
      setText(detail, detailOf(activity, now));
      show(bar.node, isRunning(activity));
      if (isRunning(activity)) bar.update(activity.progress);
      if (dismiss) show(dismiss, !isRunning(activity));
      show(cancel, isRunning(activity) && activity.type === "resources:add");
      show(again, activity.type === "resources:add" && Boolean(activity.resource?.url) && ["error", "unanswered", "canceled"].includes(activity.status));
    },
  };
}

function rowsOf(activities, now) {
  return activities.map((activity) => ({ activity, now }));
}

export function activitiesView(app, add) {
  const rows = h("ul", { class: "activities" });
  const views = new Map();
  const clear = button("Clear finished", { kind: "small", onClick: () => app.room.clearActivities() });
  const head = h("div", { class: "panel-head" }, h("h2", null, "Activity"), clear);
  const empty = h(
    "div",
    { class: "empty" },
    icon("download"),
    h("h2", null, "Nothing has happened yet"),
    h("p", { class: "muted" }, "Downloads, removals and pictures show up here, whoever asked for them."),
  );
  return {
    node: h("div", { class: "panel" }, head, rows, empty),
    update({ room }, now) {
      keyed(rows, views, rowsOf(room.activities, now), (row) => row.activity.id, (row) => activityRow(app, add, row.activity));
      show(empty, room.activities.length === 0);
      show(clear, room.activities.some(hasEnded));
    },
  };
}

/** What runs now and what this page saw fail a moment ago, above the resources. */
export function runningView(app, add) {
  const rows = h("ul", { class: "activities" });
  const views = new Map();
  const dismissed = new Set();
  const seenRunning = new Set();
  const onDismiss = (id) => {
    dismissed.add(id);
    app.store.set({});
  };
  const node = h("section", { class: "card running", "aria-label": "Running now", hidden: true }, rows);
  return {
    node,
    update({ room }, tab) {
      const relevant = room.activities.filter((activity) => {
        if (isRunning(activity)) seenRunning.add(activity.id);
        else if (activity.status === "success" || activity.status === "canceled") dismissed.add(activity.id);
        return seenRunning.has(activity.id) && !dismissed.has(activity.id) && activity.type !== "image:txt2img";
      });
      const now = Date.now();
      keyed(rows, views, rowsOf(relevant.slice(0, 5), now), (row) => row.activity.id, (row) => activityRow(app, add, row.activity, onDismiss));
      show(node, relevant.length > 0 && tab === "resources");
    },
  };
}
