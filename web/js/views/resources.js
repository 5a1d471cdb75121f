// The install's resources: grouped by type, filtered by text and type, smooth with tens of thousands.
// The list is sorted and lower-cased once per answer, not per key press.
// SPDX-License-Identifier: Apache-2.0

import { h, icon, setText, show } from "../dom.js";
import { count } from "../format.js";
import { button, confirm, copyButton, iconButton } from "./parts.js";
import { virtualList } from "./virtual-list.js";

const ITEM_PX = 60;
const GROUP_PX = 44;
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** `{type → [entry…]}` in order of type then name; an entry carries its search text. */
function grouped(resources) {
  const groups = new Map();
  for (const resource of resources) {
    const type = String(resource.type ?? "Other");
    if (!groups.has(type)) groups.set(type, []);
    groups.get(type).push({
      resource,
      name: String(resource.modelName || resource.name || resource.hash || "Unnamed"),
      search: `${resource.name ?? ""} ${resource.modelName ?? ""} ${resource.hash ?? ""} ${resource.path ?? ""}`.toLowerCase(),
    });
  }
  for (const entries of groups.values()) entries.sort((a, b) => collator.compare(a.name, b.name));
  return new Map([...groups].sort(([a], [b]) => collator.compare(a, b)));
}

/** The rows to show: a heading per type that has matches, then its entries. */
function rowsOf(groups, words, type) {
  const rows = [];
  for (const [name, entries] of groups) {
    if (type !== null && name !== type) continue;
    const found = words.length === 0 ? entries : entries.filter((entry) => words.every((word) => entry.search.includes(word)));
    if (found.length > 0) rows.push({ heading: name, count: found.length }, ...found);
  }
  return rows;
}

const keyOf = ({ heading, resource }) => (heading === undefined ? `${resource.type} ${resource.hash} ${resource.path ?? resource.name}` : `heading ${heading}`);

async function askRemove(app, resource, name) {
  const { instanceId } = app.store.get().room;
  const isSure = await confirm(`Remove “${name}”?`, "The install deletes this file from its disk. It can be added again later.", "Remove file");
  if (!isSure || app.store.get().room.instanceId !== instanceId) return;
  app.room.command("resources:remove", {
    resource: { type: resource.type, hash: resource.hash, name: resource.name, modelName: resource.modelName ?? resource.name },
  });
}

function rowNode(app, row, index, total) {
  if (row.heading) return h("div", { class: "group-row", role: "listitem" }, h("h3", null, row.heading), h("span", { class: "muted" }, count.format(row.count)));
  const { resource, name } = row;
  const hash = typeof resource.hash === "string" ? resource.hash : "";
  const side = resource.downloading
    ? h("span", { class: "chip" }, "Downloading")
    : iconButton(`Remove ${name}`, "trash", () => askRemove(app, resource, name));
  return h(
    "div",
    { class: "item-row", role: "listitem", "aria-posinset": index + 1, "aria-setsize": total },
    h("div", { class: "item-text" },
      h("span", { class: "item-name", title: resource.path || name }, name),
      h("span", { class: "item-detail muted" }, [resource.modelVersionName, resource.path].filter(Boolean).join(" · "))),
    hash && h("span", { class: "hash-copy" }, copyButton(hash.slice(0, 10), () => hash, "quiet mono")),
    side,
  );
}

function emptyView(app, add) {
  const title = h("h2");
  const text = h("p", { class: "muted" });
  const act = button("", { onClick: () => run() });
  const node = h("div", { class: "empty" }, icon("link"), title, text, act);
  let run = () => {};
  function say(heading, body, label, action) {
    setText(title, heading);
    setText(text, body);
    setText(act.lastElementChild, label);
    show(act, label !== "");
    run = action;
  }
  return {
    node,
    update(room, condition) {
      const ask = () => app.room.askForResources();
      if (room.resourcesState === "error") say("The list did not arrive", room.resourcesError, "Ask again", ask);
      else if (room.resourcesState === "slow") say("Still waiting for the list", "A large library takes a while on its first look: the install hashes every file.", "Ask again", ask);
      else if (room.resources?.length === 0) say("No resources yet", "This install reports an empty library.", "Add a resource", () => add.open());
      else if (room.phase !== "joined") say("Not connected to the server", "The list appears as soon as the server answers.", "", () => {});
      else if (condition === "offline") say("The install is offline", "Start Stable Diffusion; it comes back by itself and its resources appear here.", "", () => {});
      else say("Loading resources…", "Asking the install for its list.", "", () => {});
    },
  };
}

/** One chip per type and one for all; `choose(type | null)`. */
function typeChips(choose) {
  const node = h("div", { class: "type-chips", role: "group", "aria-label": "Type" });
  function chip(value, label, size) {
    const number = h("span", { class: "muted" }, count.format(size));
    return h("button", { type: "button", class: "type-chip", data: { type: value }, on: { click: () => choose(value || null) } }, label, number);
  }
  return {
    node,
    set(groups, total) {
      node.replaceChildren(chip("", "All", total), ...[...groups].map(([name, found]) => chip(name, name, found.length)));
      show(node, groups.size > 1);
    },
    mark(type) {
      for (const one of node.children) one.setAttribute("aria-pressed", String((one.dataset.type || null) === type));
    },
  };
}

export function resourcesView(app, add) {
  const filter = h("input", { type: "search", placeholder: "Name, hash, path", "aria-label": "Filter resources", autocomplete: "off", spellcheck: "false" });
  const chips = typeChips((chosen) => {
    type = chosen;
    refilter();
  });
  const summary = h("p", { class: "muted summary", role: "status" });
  const host = h("div", { class: "virtual", role: "list", "aria-label": "Resources" });
  const list = virtualList(host, (row) => (row.heading ? GROUP_PX : ITEM_PX), keyOf, (row, index, total) => rowNode(app, row, index, total));
  const empty = emptyView(app, add);
  const stale = h("p", { class: "banner", hidden: true }, "The install is offline. This is the last list it sent.");
  const refresh = iconButton("Refresh list", "refresh", () => app.room.askForResources());
  const tools = h("div", { class: "tools" }, h("div", { class: "search-box" }, icon("search"), filter), refresh,
    button("Add", { kind: "primary", iconName: "plus", onClick: () => add.open() }));
  const node = h("div", { class: "panel" }, tools, stale, chips.node, summary, host, empty.node);

  let groups = new Map();
  let source;
  let instanceId = null;
  let type = null;

  function refilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (type !== null && !groups.has(type)) type = null;
    const rows = rowsOf(groups, words, type);
    list.set(rows);
    const found = rows.reduce((sum, row) => sum + (row.heading ? row.count : 0), 0);
    const total = source?.length ?? 0;
    setText(summary, total === 0 ? "" : found === 0 ? "Nothing matches." : found === total ? "" : `${count.format(found)} of ${count.format(total)}`);
    chips.mark(type);
  }

  filter.addEventListener("input", refilter);
  return {
    node,
    shown: () => list.schedule(),
    update(state, condition) {
      const { room } = state;
      if (room.instanceId !== instanceId) {
        instanceId = room.instanceId;
        filter.value = "";
        type = null;
      }
      if (room.resources !== source) {
        source = room.resources;
        groups = grouped(source ?? []);
        chips.set(groups, source?.length ?? 0);
        refilter();
        list.schedule();
      }
      const isEmpty = !source || source.length === 0;
      show(empty.node, isEmpty);
      show(host, !isEmpty);
      show(stale, !isEmpty && condition === "offline");
      if (isEmpty) empty.update(room, condition);
      refresh.classList.toggle("spinning", room.resourcesState === "refreshing" || room.resourcesState === "loading");
    },
  };
}
