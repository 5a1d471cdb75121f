// One link: its head (name, presence, what can be done with it) and either the pairing panel or its tabs.
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "../dom.js";
import { ago, count, fullTime } from "../format.js";
import { isRunning } from "../activities.js";
import { reasonText } from "../words.js";
import { activitiesView, runningView } from "./activities.js";
import { addDialog } from "./add-resource.js";
import { conditionOf } from "./instances.js";
import { createView } from "./create.js";
import { eventsDialog } from "./events.js";
import { pairingView } from "./pairing.js";
import { policyDialog } from "./policy.js";
import { renameDialog } from "./rename.js";
import { resourcesView } from "./resources.js";
import { button, confirm, iconButton, menu, tabs } from "./parts.js";

const CONDITIONS = { live: "Live", offline: "Offline", code: "Waiting", expired: "Code expired" };

async function askDelete(app) {
  const id = app.store.get().selectedId;
  const isSure = await confirm(
    `Delete “${app.nameOf(id)}”?`,
    "Its install is unlinked at once and its key stops working. Files on the install stay where they are. To link it again, you need a new code.",
    "Delete link",
  );
  if (isSure) app.deleteInstance(id);
}

async function askRekey(app) {
  const id = app.store.get().selectedId;
  const isSure =
    !app.instance(id)?.isActivated ||
    (await confirm(`New code for “${app.nameOf(id)}”?`, "The install’s present key stops working and it has to be linked again with the new code.", "Get new code", "primary"));
  if (isSure) app.rekeyInstance(id);
}

function headView(app) {
  const rename = renameDialog(app);
  const policy = policyDialog(app);
  const events = eventsDialog(app);
  const name = h("h1");
  const chip = h("span", { class: "chip", role: "status" });
  const facts = h("p", { class: "muted facts" });
  const node = h(
    "header",
    { class: "detail-head" },
    h("div", { class: "back-only-narrow" }, iconButton("All links", "back", () => app.select(null))),
    h("div", { class: "detail-title" }, h("div", { class: "title-line" }, name, chip), facts),
    menu("More actions", "more", [
      ["Rename", "pencil", () => rename.open(app.store.get().selectedId)],
      ["Downloads", "download", () => policy.open(app.store.get().selectedId)],
      ["Pairing history", "clock", () => events.open(app.store.get().selectedId)],
      ["New code", "refresh", () => askRekey(app)],
      ["Delete", "trash", () => askDelete(app), "danger"],
    ]),
  );
  return {
    node,
    update(state, instance, condition, now) {
      setText(name, app.nameOf(instance.id));
      chip.dataset.condition = condition;
      setText(chip, CONDITIONS[condition]);
      const others = state.room.presence.client - 1;
      const parts = [];
      if (instance.createdAt) parts.push(`Created ${ago(instance.createdAt, now)}`);
      if (instance.pairedAt) parts.push(`paired ${ago(instance.pairedAt, now)}${instance.pairedFrom ? ` from ${instance.pairedFrom}` : ""}`);
      if (condition === "offline" && instance.lastSeenAt) parts.push(`last seen ${ago(instance.lastSeenAt, now)}`);
      if (state.room.presence.sd > 1) parts.push(`${state.room.presence.sd} installs in this room`);
      if (others > 0) parts.push(others === 1 ? "open in one other page" : `open in ${others} other pages`);
      setText(facts, parts.join(" · "));
      facts.title = instance.createdAt ? `Created ${fullTime(instance.createdAt)}` : "";
    },
  };
}

/** Why the page is not in its room, once that is worth saying: a connection that is back after a try or two is not, nor an expired code, which the panel tells. */
function noticeText({ phase, detail }, condition) {
  if (phase === "refused" && condition === "expired") return "";
  if (phase === "refused") return `The server did not let this page into the room: ${detail.msg}`;
  if (phase === "stopped") return `The server closed the connection for good: ${detail.reason ? reasonText(detail.reason) : `code ${detail.code}`}.`;
  if (detail.attempt >= 2) return "The server cannot be reached. This page keeps trying; what it shows may be out of date.";
  return "";
}

function noticeView(app) {
  const text = h("p");
  const retry = button("Connect now", { onClick: () => app.room.retry() });
  const node = h("div", { class: "banner bad notice", role: "alert", hidden: true }, text, retry);
  return {
    node,
    update({ room }, condition) {
      const said = noticeText(room, condition);
      show(node, said !== "");
      if (said) setText(text, said);
    },
  };
}

export function instanceView(app) {
  const head = headView(app);
  const notice = noticeView(app);
  const pairing = pairingView(app);
  const add = addDialog(app);
  const runningStrip = runningView(app, add);
  const resources = resourcesView(app, add);
  const activities = activitiesView(app, add);
  const create = createView(app);
  const bar = tabs("Parts of this link", [
    ["resources", "Resources", resources.node],
    ["activity", "Activity", activities.node],
    ["create", "Create", create.node],
  ]);
  bar.node.addEventListener("choose", () => {
    resources.shown();
    app.store.set({});
  });
  const linked = h("div", { class: "linked" }, bar.node, runningStrip.node, resources.node, activities.node, create.node);
  const node = h("section", { class: "detail" }, head.node, notice.node, pairing.node, linked);
  return {
    node,
    update(state, instance, now) {
      const condition = conditionOf(instance, state.room, now);
      head.update(state, instance, condition, now);
      notice.update(state, condition);
      show(pairing.node, !instance.isActivated);
      show(linked, instance.isActivated);
      pairing.update(state, instance, condition, now);
      if (!instance.isActivated) return;
      bar.setCount("resources", state.room.resources ? count.format(state.room.resources.length) : "");
      const busy = state.room.activities.filter(isRunning).length;
      bar.setCount("activity", busy > 0 ? String(busy) : "");
      runningStrip.update(state, bar.present());
      resources.update(state, condition);
      activities.update(state, now);
      create.update(state, condition);
    },
  };
}
