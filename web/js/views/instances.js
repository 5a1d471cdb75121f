// The list of links: name, whether the install is there, when it was last seen; and the button for a new one.
// Presence of the selected link comes from its room, of the others from the list itself.
// SPDX-License-Identifier: Apache-2.0

import { h, keyed, setText, show } from "../dom.js";
import { ago } from "../format.js";
import { newLinkButton } from "./new-link.js";

/** `live`, `offline`, `code` (waiting for its install) or `expired`. */
export function conditionOf(instance, room, now) {
  if (!instance.isActivated) return instance.expiresAt !== null && instance.expiresAt <= now ? "expired" : "code";
  const presence = room.instanceId === instance.id && room.isPresenceKnown ? room.presence : instance.presence;
  return presence.sd > 0 ? "live" : "offline";
}

function detailText(instance, condition, now) {
  if (condition === "live") return "Live";
  if (condition === "code") return "Waiting for its install";
  if (condition === "expired") return "Code expired";
  return instance.lastSeenAt ? `Offline · seen ${ago(instance.lastSeenAt, now)}` : "Offline";
}

function rowView(app, id) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const name = h("span", { class: "row-name" });
  const detail = h("span", { class: "row-detail" });
  const open = h("button", { type: "button", class: "row", on: { click: () => app.select(id) } }, dot, h("span", { class: "row-text" }, name, detail));
  return {
    node: h("li", null, open),
    update({ instance, isSelected, condition, now }) {
      setText(name, app.nameOf(instance.id));
      setText(detail, detailText(instance, condition, now));
      dot.dataset.condition = condition;
      if (isSelected) open.setAttribute("aria-current", "true");
      else open.removeAttribute("aria-current");
    },
  };
}

export function instancesView(app) {
  const rows = h("ul", { class: "rows" });
  const views = new Map();
  const empty = h("p", { class: "muted side-empty", hidden: true }, "No links yet.");
  const error = h("p", { class: "banner bad", role: "alert", hidden: true });
  const count = h("span", { class: "muted count" });
  const create = newLinkButton(app, "primary wide", { id: "new-link" });
  const node = h(
    "nav",
    { class: "side", "aria-label": "Links" },
    h("div", { class: "side-head" }, h("h2", null, "Links"), count),
    error,
    rows,
    empty,
    create,
  );
  return {
    node,
    update(state, now) {
      const instances = state.instances ?? [];
      const items = instances.map((instance) => ({
        instance,
        isSelected: instance.id === state.selectedId,
        condition: conditionOf(instance, state.room, now),
        now,
      }));
      keyed(rows, views, items, (item) => item.instance.id, (item) => rowView(app, item.instance.id));
      show(empty, state.instances !== null && instances.length === 0);
      setText(count, instances.length > 0 ? (state.instanceLimit ? `${instances.length} of ${state.instanceLimit}` : String(instances.length)) : "");
      setText(error, state.listError);
      show(error, state.listError !== "");
    },
  };
}
