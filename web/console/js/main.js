// Starts the console: asks the relay every two seconds for what the present view shows, and redraws. The URL's fragment says which
// room or tab is open, so that a reload and the back button work. SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "/js/dom.js";
import { brand, menu, tabs } from "/js/views/parts.js";
import { themeChoice } from "/js/views/theme-choice.js";
import { toastsView } from "/js/views/toasts.js";
import { admin, token } from "./api.js";
import { gateView } from "./gate.js";
import { overview } from "./overview.js";
import { Rates } from "./rates.js";
import { roomsView } from "./rooms.js";
import { roomView } from "./room.js";
import { blocksView, limitsView, recentView } from "./tables.js";
import { span } from "./words.js";

const PERIOD_MS = 2000;
const NAMES_MS = 30000;
const NONE = { messagesIn: null, messagesOut: null, bytesIn: null, bytesOut: null };
const TABS = ["rooms", "limits", "recent", "blocks"];

class Console {
  state = { status: null, rates: NONE, rooms: null, room: undefined, limits: null, recent: null, blocks: null, filter: "", cursor: null, tab: "rooms", roomID: null, addresses: null, now: Date.now(), problem: null, isLocked: false, gateError: null, toasts: [] };
  #rates = new Rates();
  #turn = 0;
  #timer = 0;
  #toastNumber = 0;
  #namedAt = -Infinity;
  /** The links' names by their numbers. */
  names = new Map();
  onChange = () => {};

  set(change) {
    Object.assign(this.state, change);
    this.onChange(this.state);
  }

  start() {
    addEventListener("hashchange", () => this.#follow());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.refresh());
    this.#follow();
  }

  #follow() {
    const [word, number] = location.hash.slice(1).split("=");
    const roomID = word === "room" && /^[1-9]\d{0,15}$/.test(number ?? "") ? Number(number) : null;
    const isOther = roomID !== this.state.roomID;
    this.set({ tab: TABS.includes(word) ? word : "rooms", roomID, ...(isOther ? { room: undefined, addresses: null } : {}) });
    this.refresh();
  }

  openRoom = (id) => (location.hash = id === null ? "#rooms" : `#room=${id}`);
  openTab = (tab) => (location.hash = `#${tab}`);

  /** Asks now, and again after each period; an answer to an older question is dropped. */
  async refresh() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    try {
      const [status, part] = await Promise.all([admin.status(), this.#part(), this.#learnNames()]);
      if (turn !== this.#turn) return;
      const now = Date.parse(status.now);
      this.#rates.prune(now - 10 * PERIOD_MS);
      this.set({ status, now, rates: this.#rates.of("all", status.totals, now), ...this.#rated(part, now), problem: null, isLocked: false, gateError: null });
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error.status === 401 || error.status === 403) return this.#lock(error);
      this.set({ problem: error.message });
    }
    if (document.visibilityState === "visible") this.#timer = setTimeout(() => this.refresh(), PERIOD_MS);
  }

  #lock(error) {
    const hadToken = token.get() !== null;
    token.forget();
    this.set({ isLocked: true, gateError: hadToken ? error.message : null });
  }

  open(text) {
    token.set(text);
    this.#namedAt = -Infinity;
    this.refresh();
  }

  /** Names change seldom: asked for twice a minute, and for the first thousand links alone. */
  async #learnNames() {
    if (performance.now() - this.#namedAt < NAMES_MS) return;
    this.#namedAt = performance.now();
    const names = new Map();
    for (let pages = 0, cursor = null; pages < 5; pages += 1) {
      const page = await admin.instances(cursor);
      for (const one of page.items) names.set(one.id, one.name);
      if (page.next === null) break;
      cursor = page.next;
    }
    this.names = names;
  }

  async #part() {
    const { tab, roomID, addresses, filter, cursor } = this.state;
    if (roomID !== null) {
      const room = await admin.room(roomID, addresses).catch((error) => {
        if (error.code === "no_such_room") return null;
        throw error;
      });
      return { room };
    }
    if (tab === "limits") return { limits: await admin.limits() };
    if (tab === "recent") return { recent: await admin.recent() };
    if (tab === "blocks") return { blocks: await admin.blocks() };
    return { rooms: await admin.rooms({ install: filter, cursor }) };
  }

  #rated(part, now) {
    const rated = (key, one) => {
      const { messagesIn, messagesOut, bytesIn, bytesOut } = this.#rates.of(key, one.traffic, now);
      return { ...one, rates: { messages: messagesIn === null ? null : messagesIn + messagesOut, bytesIn, bytesOut } };
    };
    if (part.rooms) part.rooms.items = part.rooms.items.map((room) => rated(`room ${room.id}`, room));
    if (part.room) part.room.members = part.room.members.map((one) => rated(`session ${one.session}`, one));
    return part;
  }

  filterRooms(filter) {
    this.set({ filter, cursor: null });
    this.refresh();
  }

  pageRooms(cursor) {
    this.set({ cursor });
    this.refresh();
  }

  showAddresses() {
    this.set({ addresses: "full" });
    this.refresh();
  }

  // Actions

  async #act(action, done) {
    try {
      const answer = await action();
      this.#say("good", typeof done === "function" ? done(answer) : done);
      this.refresh();
      return null;
    } catch (error) {
      this.#say("error", error.message);
      return error.message;
    }
  }

  kick = () => this.#act(() => admin.kick(this.state.roomID), "Everybody was kicked.");
  disconnect = (member) => this.#act(() => admin.disconnect(member.session), "Disconnected; it may come back.");
  addBlock = (block) => this.#act(() => admin.addBlock(block), (answer) => `Blocked; ${answer.disconnected} disconnected.`);
  removeBlock = (block) => this.#act(() => admin.removeBlock(block.id), "They may come in again.");

  #say(tone, text) {
    const id = ++this.#toastNumber;
    this.set({ toasts: [...this.state.toasts, { id, tone, text }] });
    setTimeout(() => this.dismiss(id), 6000);
  }

  dismiss(id) {
    this.set({ toasts: this.state.toasts.filter((one) => one.id !== id) });
  }
}

function freshness() {
  const text = h("span");
  const node = h("span", { class: "freshness", role: "status" }, h("span", { class: "dot", "aria-hidden": "true" }), text);
  return {
    node,
    update({ status, problem, now }) {
      node.dataset.state = problem ? "stale" : status?.isDraining ? "draining" : status ? "live" : "";
      setText(text, problem ? "No answer" : !status ? "Asking…" : status.isDraining ? "Draining" : `Up ${span(now - Date.parse(status.startedAt))}`);
      node.title = status ? `relayd ${status.version}, since ${status.startedAt}` : "";
    },
  };
}

const app = new Console();
const views = { rooms: roomsView(app), limits: limitsView(), recent: recentView(app), blocks: blocksView(app) };
const one = roomView(app);
const gate = gateView(app);
const figures = overview();
const fresh = freshness();
const toasts = toastsView(app);
const problem = h("p", { class: "banner bad", role: "alert", hidden: true });
const titles = { rooms: "Rooms", limits: "Limits", recent: "Lately", blocks: "Blocks" };
const bar = tabs("Parts of the console", TABS.map((id) => [id, titles[id], views[id].node]));
bar.node.addEventListener("click", (event) => event.target.closest("[role=tab]") && app.openTab(bar.present()));
bar.node.addEventListener("keyup", (event) => event.key.startsWith("Arrow") && app.openTab(bar.present()));
const lists = h("div", { class: "stack" }, bar.node, ...TABS.map((id) => views[id].node));
const home = h("a", { class: "brand-link", href: "#rooms", "aria-label": "LinkRelay console, all rooms" }, brand(), h("span", { class: "offscreen" }, "Console"));
const page = h(
  "div", null,
  h("header", { class: "top" }, h("div", { class: "brand" }, home, h("span", { class: "console-name" }, "Console")), h("div", { class: "top-end" }, fresh.node, menu("Settings", "menu", [themeChoice()]))),
  h("main", { class: "console" }, problem, figures.node, lists, one.node));
document.getElementById("app").append(page, gate.node, toasts.node);

app.onChange = (state) => {
  show(gate.node, state.isLocked);
  show(page, !state.isLocked);
  gate.update(state);
  toasts.update(state);
  if (state.isLocked) return;
  fresh.update(state);
  show(problem, state.problem !== null);
  setText(problem, state.problem ?? "");
  figures.update(state);
  const isRoom = state.roomID !== null;
  show(lists, !isRoom);
  show(one.node, isRoom);
  if (isRoom) one.update(state);
  else {
    if (bar.present() !== state.tab) bar.choose(state.tab);
    views[state.tab].update(state);
  }
  const recently = state.limits?.items.filter((limit) => limit.bites > 0).length;
  bar.setCount("limits", recently ? String(recently) : "");
  document.title = isRoom ? `Room ${state.roomID} – Console` : "Console – LinkRelay";
};
app.start();
