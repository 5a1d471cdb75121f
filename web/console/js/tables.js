// The other tabs: limits with how often each bit, what happened lately, and who is kept out.
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "/js/dom.js";
import { count } from "/js/format.js";
import { button, confirm, field } from "/js/views/parts.js";
import { sheet } from "./sheet.js";
import { clock, reasonText, roleText } from "./words.js";

function limitRow(first) {
  const value = h("span");
  const bites = h("span");
  return {
    cells: [
      h("div", null, h("div", { class: "limit-name" }, first.name), h("div", { class: "limit-text" }, first.text)),
      value, h("span", { class: "quiet-cell" }, first.default), bites,
    ],
    update(one) {
      setText(value, one.value);
      value.className = one.value === one.default ? "" : "changed";
      setText(bites, one.bites === null ? "" : count.format(one.bites));
      bites.className = one.bites > 0 ? "bites" : "quiet-cell";
      bites.title = one.counter ? `linkrelay_${one.counter}` : "This limit has no counter.";
    },
  };
}

export function limitsView() {
  const table = sheet(
    "Limits",
    [{ title: "Setting", headline: true }, { title: "Value", number: true }, { title: "Default", number: true }, { title: "Bit", number: true, label: "Bit, times" }],
    (one) => one.name, limitRow);
  const hint = h("p", { class: "muted summary" });
  return {
    node: h("section", { class: "part" }, hint, table.node),
    update({ limits }) {
      if (!limits) return;
      const bitten = limits.items.filter((one) => one.bites > 0);
      setText(hint, bitten.length ? `${bitten.length} of ${limits.items.length} limits bit since the start; those come first.` : "No limit bit since the start.");
      table.update([...limits.items].sort((a, b) => (b.bites ?? -1) - (a.bites ?? -1) || 0));
    },
  };
}

const KINDS = { pairing: "Paired", refusal: "Refused", action: "Done" };

function recentRow(app, one) {
  const what = one.kind === "action" ? `${one.name} ${one.target}` : reasonText(one.name);
  const who = one.kind === "action" ? one.actor : [roleText(one.role), one.address].filter((text) => text && text !== "–").join(" · ");
  const room = one.room ? h("button", { type: "button", class: "room-link", on: { click: () => app.openRoom(one.room) } }, `#${one.room}`) : "";
  return {
    cells: [
      h("time", { datetime: one.at, title: one.at }, clock(one.at, app.state.now)),
      h("span", { class: "chip", "data-status": one.kind === "refusal" ? "unanswered" : one.kind === "pairing" ? "success" : "processing" }, KINDS[one.kind]),
      h("span", null, what), h("span", { class: "quiet-cell" }, who), h("span", null, room),
    ],
    update() {},
  };
}

export function recentView(app) {
  const table = sheet(
    "Lately", [{ title: "Time", label: "" }, { title: "", label: "" }, { title: "What", whole: true, label: "" }, { title: "Who", whole: true, label: "" }, { title: "Room", label: "Room", whole: true }],
    (one) => one.key, (one) => recentRow(app, one));
  const empty = h("div", { class: "empty" }, h("h3", null, "Nothing yet"), h("p", { class: "muted" }, "Pairings, refusals and operators’ actions appear here; they are kept in memory only."));
  return {
    node: h("section", { class: "part" }, table.node, empty),
    update({ recent }) {
      if (!recent) return;
      show(empty, recent.items.length === 0);
      show(table.node, recent.items.length > 0);
      table.update(recent.items.map((one, i, all) => ({ ...one, key: `${one.at} ${one.name} ${one.target} ${all.filter((other, j) => j > i && other.at === one.at).length}` })));
    },
  };
}

function blockRow(app, block) {
  const what = block.network ? h("span", { class: "mono" }, block.network) : `user ${block.user}`;
  return {
    cells: [what, h("span", null, block.note), h("time", { datetime: block.createdAt }, clock(block.createdAt, app.state.now)), button("Let in again", { kind: "small", onClick: () => app.removeBlock(block) })],
    update() {},
  };
}

export function blocksView(app) {
  const subject = field("Network or user", h("input", { autocomplete: "off", spellcheck: false, placeholder: "203.0.113.0/24", required: true }), "A network, an address, or the number of a user.");
  const note = field("Note", h("input", { autocomplete: "off", maxlength: 200 }));
  const form = h("form", { class: "card block-form", novalidate: true }, subject.node, note.node, button("Block", { kind: "primary", type: "submit" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = subject.input.value.trim();
    const block = /^\d+$/.test(text) ? { user: Number(text) } : { network: text };
    const isSure = text && (await confirm(`Block ${text}?`, "Whoever it means is disconnected at once and refused from now on, also after a restart.", "Block", "danger", "Leave it"));
    if (!isSure) return subject.setError(text ? "" : "Say whom to block.");
    const problem = await app.addBlock({ ...block, ...(note.input.value.trim() ? { note: note.input.value.trim() } : {}) });
    subject.setError(problem ?? "");
    if (!problem) form.reset();
  });
  const table = sheet("Blocks", [{ title: "Who", headline: true }, { title: "Note", whole: true }, { title: "Since" }, { title: "", whole: true }], (one) => one.id, (one) => blockRow(app, one));
  const empty = h("p", { class: "muted" }, "Nobody is blocked.");
  return {
    node: h("section", { class: "part" }, form, table.node, empty),
    update({ blocks }) {
      if (!blocks) return;
      table.update(blocks.items);
      show(table.node, blocks.items.length > 0);
      show(empty, blocks.items.length === 0);
    },
  };
}
