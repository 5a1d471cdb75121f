// What the page can do, beyond one room: signing in and out, the list of instances, which one is selected.
// The only writer of `store` besides the room; views call its methods and never the wire.
// Keeps two things in local storage (selected instance, theme) and no secret anywhere but in memory.
// SPDX-License-Identifier: Apache-2.0

import { ApiError, api, serverNow, timeOf } from "./api.js";
import { Applicants } from "./applicants.js";
import { createStore } from "./store.js";
import { Room, emptyRoom } from "./room.js";
import { placeOf, takeFragment } from "./fragment.js";
import { parsedCode } from "./format.js";
import { recall, remember } from "./settings.js";

const REFRESH_MS = 15000;

export class App {
  store = createStore({
    screen: "starting",
    session: null,
    signInError: "",
    canTryAgain: false,
    shownCode: null,
    instances: null,
    instanceLimit: null,
    listError: "",
    selectedId: null,
    room: emptyRoom,
    closes: [],
    applicants: [],
    toasts: [],
  });
  room = new Room(this.store, {
    upgraded: (id, key) => this.#upgraded(id, key),
    kicked: (id) => this.#kicked(id),
    refused: (id, msg) => this.#refused(id, msg),
    notice: (text) => this.toast(text, "warn"),
  });
  applicants = new Applicants(this.store, (text, tone) => this.toast(text, tone));
  #tabs = "BroadcastChannel" in window ? new BroadcastChannel("linkrelay") : null;
  #untried = null;
  #toastId = 0;
  #refresh = 0;

  async start() {
    if (this.#tabs) this.#tabs.onmessage = () => this.loadInstances();
    addEventListener("popstate", () => this.#placeChanged());
    addEventListener("hashchange", () => this.#placeChanged());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#refreshSoon());
    await this.#arrive(takeFragment());
  }

  async #arrive(fragment) {
    if (fragment.code !== undefined) {
      this.store.set({ screen: "code", shownCode: parsedCode(fragment.code) });
      return;
    }
    try {
      if (fragment.ticket) await this.#signedIn(await api.signInWithTicket(fragment.ticket), fragment);
      else await this.#signedIn(await api.session(), fragment);
    } catch (error) {
      if (fragment.ticket && (await this.#hasSession(fragment))) return;
      const isPlain = error instanceof ApiError && error.status === 401 && !fragment.ticket;
      const isSpent = error.code === "bad_ticket";
      // A server that could not look has not used the ticket up.
      this.#untried = fragment.ticket && !isSpent ? fragment : null;
      const text = isSpent ? "This sign-in link has been used or has expired. Ask for a new one." : error.message;
      this.store.set({ screen: "signed-out", signInError: isPlain ? "" : text, canTryAgain: this.#untried !== null });
    }
  }

  /** Once more with the sign-in link that the server could not judge. */
  async tryAgain() {
    const fragment = this.#untried;
    if (fragment === null) return;
    this.#untried = null;
    this.store.set({ signInError: "", canTryAgain: false });
    await this.#arrive(fragment);
  }

  // A used sign-in link opened again by somebody who is signed in should simply show the page.
  async #hasSession(fragment) {
    try {
      await this.#signedIn(await api.session(), fragment);
      return true;
    } catch {
      return false;
    }
  }

  async signInWithToken(token) {
    this.store.set({ signInError: "" });
    try {
      await this.#signedIn(await api.signInWithToken(token), {});
      return true;
    } catch (error) {
      this.store.set({ signInError: error.status === 401 ? "This token is not known here." : error.message });
      return false;
    }
  }

  async #signedIn(session, fragment) {
    this.#untried = null;
    this.store.set({ screen: "home", session, signInError: "", canTryAgain: false });
    await this.loadInstances();
    this.applicants.start();
    const wanted = fragment.instanceId ?? (matchMedia("(min-width: 861px)").matches ? Number(recall("selected")) : null);
    if (wanted && this.instance(wanted)) this.select(wanted, { isReplacing: true });
  }

  /** Ends this browser's session, or with `isEverywhere` those of all browsers. */
  async signOut({ isEverywhere = false } = {}) {
    try {
      await (isEverywhere ? api.signOutEverywhere() : api.signOut());
    } catch (error) {
      if (error.status !== 401) {
        this.toast(error.message, "error");
        return;
      }
    }
    this.#toSignedOut("");
    this.#tabs?.postMessage("changed");
  }

  #toSignedOut(text) {
    clearTimeout(this.#refresh);
    this.applicants.stop();
    this.room.leave();
    history.replaceState(null, "", location.pathname);
    this.store.set({ screen: "signed-out", session: null, instances: null, selectedId: null, signInError: text });
  }

  /** Shows the page proper after a bare code was shown. */
  async leaveCode() {
    this.store.set({ screen: "starting", shownCode: null });
    await this.#arrive({});
  }

  instance(id) {
    return this.store.get().instances?.find((instance) => instance.id === id) ?? null;
  }

  async loadInstances() {
    if (this.store.get().screen !== "home") return;
    clearTimeout(this.#refresh);
    try {
      const before = new Map((this.store.get().instances ?? []).map((instance) => [instance.id, instance]));
      const instances = await api.instances();
      // The list may leave out when a code runs out; what the issuing answer said stays true for the same code.
      for (const instance of instances) {
        const known = before.get(instance.id);
        if (instance.expiresAt === null && known?.key === instance.key) instance.expiresAt = known.expiresAt;
      }
      this.store.set({ instances, listError: "" });
      this.#reconcile();
    } catch (error) {
      if (error.status === 401) return this.#toSignedOut("Your session has ended. Please sign in again.");
      this.store.set({ listError: error.message });
    }
    this.#refresh = setTimeout(() => this.#refreshSoon(), REFRESH_MS);
  }

  #refreshSoon() {
    if (this.store.get().screen === "home" && document.visibilityState === "visible") this.loadInstances();
  }

  // A pairing may have finished while this page was cut off: the list knows the new key.
  #reconcile() {
    const { selectedId, room } = this.store.get();
    if (selectedId === null) return;
    const instance = this.instance(selectedId);
    if (!instance) return this.select(null);
    if (room.phase === "refused" && this.#refusedKey !== instance.key) this.room.enter(instance);
    else if (room.instanceId === instance.id) this.room.adopt(instance.key);
  }

  #refusedKey = null;

  #patchInstance(id, patch) {
    const instances = (this.store.get().instances ?? []).map((instance) => (instance.id === id ? { ...instance, ...patch } : instance));
    this.store.set({ instances });
  }

  select(id, { isReplacing = false } = {}) {
    const { selectedId } = this.store.get();
    if (id === selectedId) return;
    this.store.set({ selectedId: id });
    remember("selected", id);
    const place = placeOf(id);
    if (`${location.pathname}${location.hash}` !== place) history[isReplacing ? "replaceState" : "pushState"](null, "", place);
    this.#refusedKey = null;
    if (id === null) this.room.leave();
    else this.room.enter(this.instance(id));
  }

  #placeChanged() {
    const fragment = takeFragment();
    if (fragment.code !== undefined || fragment.ticket) {
      this.room.leave();
      this.store.set({ selectedId: null });
      this.#arrive(fragment);
      return;
    }
    if (this.store.get().screen !== "home") return;
    const id = fragment.instanceId ?? null;
    this.select(id !== null && this.instance(id) ? id : null, { isReplacing: true });
  }

  async #attempt(work) {
    try {
      return await work();
    } catch (error) {
      if (error.status === 401) this.#toSignedOut("Your session has ended. Please sign in again.");
      else if (error.message === "Instance limit reached") {
        this.toast("You have reached the number of links this server allows. Delete one that you no longer use.", "error");
      } else this.toast(error.message, "error");
      return null;
    }
  }

  /** Makes a link with a fresh code, selects it and waits in its room; false if the server made none. */
  async createInstance() {
    const made = await this.#attempt(() => api.createInstance());
    if (made) await this.#showCode(made);
    return made !== null;
  }

  /** A fresh code for an instance; its present key stops working. */
  async rekeyInstance(id) {
    // Leave first: the room's key dies with the call, which must not look like being thrown out.
    const wasSelected = this.store.get().selectedId === id;
    if (wasSelected) this.room.leave();
    const made = await this.#attempt(() => api.rekeyInstance(id));
    if (made) await this.#showCode(made);
    else if (wasSelected && this.instance(id)) this.room.enter(this.instance(id));
  }

  async #showCode(made) {
    const id = Number(made.id);
    this.store.set({ instanceLimit: Number(made.instanceLimit) || null });
    await this.loadInstances();
    const expiresAt = timeOf(made.expiresAt);
    this.#patchInstance(id, { key: String(made.key), isActivated: false, ...(expiresAt === null ? {} : { expiresAt }) });
    this.#tabs?.postMessage("changed");
    if (this.store.get().selectedId === id) this.room.enter(this.instance(id));
    else this.select(id);
  }

  async renameInstance(id, name) {
    const done = await this.#attempt(() => api.renameInstance(id, name));
    if (!done) return false;
    this.#patchInstance(id, { name });
    this.#tabs?.postMessage("changed");
    return true;
  }

  async deleteInstance(id) {
    const name = this.nameOf(id);
    // Leave first: a member that asked for the deletion need not be told of it by a kick.
    const wasSelected = this.store.get().selectedId === id;
    if (wasSelected) this.room.leave();
    const done = await this.#attempt(() => api.deleteInstance(id));
    if (!done) {
      if (wasSelected && this.instance(id)) this.room.enter(this.instance(id));
      return;
    }
    if (wasSelected) this.select(null);
    this.store.set({ instances: this.store.get().instances?.filter((instance) => instance.id !== id) ?? null });
    this.toast(`“${name}” is deleted. Its install has been unlinked.`);
    this.#tabs?.postMessage("changed");
  }

  nameOf(id) {
    return this.instance(id)?.name || `Link ${id}`;
  }

  #upgraded(id, key) {
    this.room.adopt(key);
    const wasWaiting = this.instance(id)?.isActivated === false;
    this.#patchInstance(id, { key, isActivated: true, expiresAt: null, lastSeenAt: serverNow() });
    if (wasWaiting) this.toast(`“${this.nameOf(id)}” is linked.`, "good");
    this.loadInstances();
  }

  #kicked(id) {
    this.toast(`“${this.nameOf(id)}” was removed or has expired; this page has left it.`, "warn");
    this.select(null);
    this.loadInstances();
  }

  async #refused(id, msg) {
    const instance = this.instance(id);
    this.#refusedKey = instance?.key ?? null;
    await this.loadInstances();
    if (this.instance(id)?.key === this.#refusedKey && this.instance(id)?.isActivated) this.toast(msg || "The server refused this link's key.", "warn");
  }

  toast(text, tone = "plain") {
    const toasts = this.store.get().toasts;
    if (toasts.some((known) => known.text === text)) return;
    const toast = { id: ++this.#toastId, text, tone };
    this.store.set({ toasts: [...toasts, toast].slice(-4) });
    setTimeout(() => this.dismiss(toast.id), tone === "error" || tone === "warn" ? 9000 : 5000);
  }

  dismiss(id) {
    this.store.set({ toasts: this.store.get().toasts.filter((toast) => toast.id !== id) });
  }
}
