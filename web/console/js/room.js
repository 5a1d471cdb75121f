// One room: its members, its commands, and its timeline with the reason of every connect and disconnect.
// SPDX-License-Identifier: Apache-2.0

import { h, icon, setText, show } from "/js/dom.js";
import { size } from "/js/format.js";
import { button, confirm, iconButton } from "/js/views/parts.js";
import { roomName } from "./rooms.js";
import { sheet } from "./sheet.js";
import { bytesPerSecond, clock, eventText, perSecond, reasonText, roleText, span, wayText } from "./words.js";

function memberRow(app, first) {
  const name = h("strong");
  const way = h("span");
  const address = h("span", { class: "mono" });
  const since = h("span");
  const numbers = Array.from({ length: 4 }, () => h("span"));
  const end = button("Disconnect", { kind: "small", onClick: () => app.disconnect(first) });
  return {
    cells: [name, way, address, since, ...numbers, end],
    update(one) {
      setText(name, `${roleText(one.role)}${one.name ? ` · ${one.name}` : ""}${one.version ? ` ${one.version}` : ""}`);
      setText(way, wayText(one) + (one.isHeldBack ? ", held back" : ""));
      setText(address, one.address);
      setText(since, span(app.state.now - Date.parse(one.joinedAt)));
      const rates = one.rates;
      [perSecond(rates.messages), bytesPerSecond(rates.bytesIn), bytesPerSecond(rates.bytesOut), one.queuedBytes === 0 ? "" : size(one.queuedBytes)]
        .forEach((text, i) => setText(numbers[i], text));
    },
  };
}

function commandRow(first) {
  const type = h("strong", null, first.type || "unknown");
  const left = h("span");
  const state = h("span");
  return {
    cells: [type, h("code", null, first.id), state, left],
    update(one) {
      setText(left, span(one.endsInMs));
      setText(state, one.isHeld ? "held for the extension" : "with the extension");
    },
  };
}

function eventRow(app, one) {
  const time = h("time", { datetime: one.at, title: one.at }, clock(one.at, app.state.now));
  const event = h("span", { class: "event", "data-event": one.event }, eventText(one.event));
  const why = h("span", { class: "why" }, one.reason ? [reasonText(one.reason), h("code", null, one.reason)] : null);
  const who = h("span", null, roleText(one.role), one.session ? h("span", { class: "room-number" }, ` session ${one.session}`) : " of an earlier process");
  return { cells: [time, event, who, h("span", { class: "quiet-cell" }, one.dialect ? wayText(one) : ""), why], update() {} };
}

async function askKick(app) {
  const isSure = await confirm(
    `Kick everybody out of room ${app.state.roomID}?`,
    "Extensions forget their key and have to be linked again with a new code. The link itself stays. To end only a connection, disconnect that member.",
    "Kick everybody");
  if (isSure) app.kick();
}

export function roomView(app) {
  const title = h("h1");
  const facts = h("p", { class: "muted facts" });
  const kick = button("Kick everybody", { kind: "small", onClick: () => askKick(app) });
  const whole = button("Whole addresses", { kind: "small", onClick: () => app.showAddresses() });
  const members = sheet(
    "Members",
    [
      { title: "Member", headline: true }, { title: "Speaks", whole: true }, { title: "Address", whole: true }, { title: "Since" },
      { title: "Messages/s", number: true }, { title: "In", number: true }, { title: "Out", number: true }, { title: "Queued", number: true },
      { title: "", whole: true },
    ],
    (one) => one.session, (one) => memberRow(app, one));
  const commands = sheet(
    "Commands in flight",
    [{ title: "Command", headline: true }, { title: "Id", whole: true }, { title: "Where", whole: true }, { title: "Ends in", number: true }],
    (one) => one.id, commandRow);
  const timeline = sheet(
    "Timeline",
    [{ title: "Time", label: "" }, { title: "What", label: "" }, { title: "Who", label: "" }, { title: "By", label: "" }, { title: "Why", label: "", whole: true }],
    (one) => one.key, (one) => eventRow(app, one));
  const membersPart = h("section", { class: "part" }, h("h2", null, "Members"), members.node);
  const commandsPart = h("section", { class: "part" }, h("h2", null, "Commands in flight"), commands.node);
  const missing = h("div", { class: "empty" }, icon("clock"), h("h3", null, "Nobody is in this room"), h("p", { class: "muted" }, "And nothing is remembered of it: it is kept in memory only."));
  const timelinePart = h("section", { class: "part" }, h("h2", null, "Timeline"), timeline.node);
  const node = h(
    "section", { class: "one-room" },
    h("header", { class: "detail-head" },
      iconButton("All rooms", "back", () => app.openRoom(null)),
      h("div", { class: "detail-title" }, title, facts),
      h("div", { class: "actions" }, whole, kick)),
    missing, membersPart, commandsPart, timelinePart,
  );
  return {
    node,
    update({ room, roomID, addresses }) {
      const isKnown = Boolean(room);
      setText(title, isKnown && room.members.length ? `${roomName(app, room)} · room ${roomID}` : `Room ${roomID}`);
      for (const part of [membersPart, commandsPart, timelinePart, facts]) show(part, isKnown);
      show(missing, room === null);
      show(kick, isKnown && room.members.length + room.away > 0);
      show(whole, isKnown && room.members.length > 0 && addresses !== "full");
      if (!isKnown) return;
      const parts = [room.user ? `user ${room.user}` : "empty now", `loop ${room.loop}`];
      if (room.away > 0) parts.push(`${room.away} extension away, within its grace`);
      if (room.heldCommands > 0) parts.push(`${room.heldCommands} commands held`);
      parts.push(`${size(room.traffic.bytesIn)} in, ${size(room.traffic.bytesOut)} out`);
      setText(facts, parts.join(" · "));
      members.update(room.members);
      show(membersPart, room.members.length > 0);
      commands.update(room.commands);
      show(commandsPart, room.commands.length > 0);
      // Newest first; entries are never changed, so their place in time is their key.
      timeline.update(room.timeline.map((one, i) => ({ ...one, key: `${one.at} ${one.event} ${one.session} ${i === 0 ? "" : room.timeline[i - 1].event}` })).reverse());
    },
  };
}
