// The table of rooms with live rates, and its filters.
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "/js/dom.js";
import { size } from "/js/format.js";
import { button } from "/js/views/parts.js";
import { sheet } from "./sheet.js";
import { bytesPerSecond, eventText, perSecond, reasonText } from "./words.js";

const FILTERS = [
  ["", "All"],
  ["present", "Extension here"],
  ["away", "Away"],
  ["absent", "No extension"],
];

/** The link's name, or what its extension calls itself. */
export function roomName(app, room) {
  return app.names.get(room.id) || room.members.find((one) => one.role === "sd")?.name || "Unnamed";
}

function installState(room) {
  if (room.members.some((one) => one.role === "sd")) return "present";
  return room.away > 0 ? "away" : "absent";
}

function row(app, first) {
  const open = () => app.openRoom(first.id);
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const name = h("span");
  const number = h("span", { class: "room-number" }, `#${first.id}`);
  const link = h("button", { type: "button", class: "room-link" }, dot, h("span", null, name, " ", number));
  const cells = Array.from({ length: 7 }, () => h("span"));
  const last = h("span", { class: "quiet-cell" });
  return {
    cells: [link, ...cells, last],
    onOpen: open,
    update(room) {
      const state = installState(room);
      dot.dataset.install = state;
      link.title = { present: "Extension here", away: "Extension away for a moment", absent: "No extension" }[state];
      setText(name, roomName(app, room));
      const sds = room.members.filter((one) => one.role === "sd").length;
      const texts = [
        room.away === 0 ? String(sds) : sds === 0 ? `${room.away} away` : `${sds} + ${room.away} away`, String(room.presence.client), String(room.commandsInFlight),
        perSecond(room.rates.messages), bytesPerSecond(room.rates.bytesIn),
        bytesPerSecond(room.rates.bytesOut), room.queuedBytes === 0 ? "" : size(room.queuedBytes),
      ];
      texts.forEach((text, i) => {
        setText(cells[i], text);
        cells[i].className = /^0( |$)/.test(text) || text === "–" ? "zero" : "";
      });
      const closing = room.lastClosings[0];
      setText(last, closing ? `${eventText(closing.event)}${closing.reason ? `: ${reasonText(closing.reason)}` : ""}` : "");
    },
  };
}

export function roomsView(app) {
  const chips = FILTERS.map(([value, label]) =>
    h("button", { type: "button", class: "type-chip", on: { click: () => app.filterRooms(value) } }, label));
  const table = sheet(
    "Rooms",
    [
      { title: "Room", headline: true }, { title: "Extensions", number: true }, { title: "Clients", number: true },
      { title: "In flight", number: true }, { title: "Messages/s", number: true }, { title: "In", number: true },
      { title: "Out", number: true }, { title: "Queued", number: true }, { title: "Last to go", whole: true },
    ],
    (room) => room.id, (room) => row(app, room));
  const empty = h("div", { class: "empty" }, h("h3", null, "No rooms"), h("p", { class: "muted" }, "Nobody that this filter shows is in a room."));
  const range = h("span");
  const back = button("First", { kind: "small", onClick: () => app.pageRooms(null) });
  const more = button("Next", { kind: "small", onClick: () => app.pageRooms(app.state.rooms.next) });
  const node = h(
    "section", { class: "part" },
    h("div", { class: "tool-line" },
      h("div", { class: "type-chips", role: "group", "aria-label": "Show" }, chips),
      h("div", { class: "pager" }, range, back, more)),
    table.node, empty,
  );
  return {
    node,
    update({ rooms, filter, cursor }) {
      if (!rooms) return;
      chips.forEach((chip, i) => chip.setAttribute("aria-pressed", String(FILTERS[i][0] === filter)));
      table.update(rooms.items);
      show(table.node, rooms.items.length > 0);
      show(empty, rooms.items.length === 0);
      setText(range, rooms.items.length < rooms.total ? `${rooms.items.length} of ${rooms.total}` : `${rooms.total} ${rooms.total === 1 ? "room" : "rooms"}`);
      show(back, cursor !== null);
      show(more, rooms.next !== null);
    },
  };
}
