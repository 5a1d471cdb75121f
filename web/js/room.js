// What happens in the room of the selected instance: joining, presence, commands out, statuses in.
// Decides which lists to ask for and when; keeps `store.room`. One room at a time, as the wire has it.
// Must never send the same command twice by itself: the relay and the install decide what became of it.
// SPDX-License-Identifier: Apache-2.0

import { LinkSocket, linkURL } from "./link-socket.js";
import { isActivity, isRunning, merged, mergedAll, running } from "./activities.js";
import { freePictures, withPictures } from "./pictures.js";
import { failureText } from "./words.js";
import { uuid } from "./uuid.js";

const UNANSWERED_AFTER_MS = 20000;
const SLOW_LIST_AFTER_MS = 15000;
const MAX_COMMAND_BYTES = 1000000;

export const emptyRoom = Object.freeze({
  instanceId: null,
  phase: "idle",
  detail: {},
  presence: { client: 0, sd: 0 },
  isPresenceKnown: false,
  resources: null,
  resourcesState: "none",
  resourcesError: "",
  activities: [],
  pictures: [],
});

/** `on`: `upgraded(instanceId, key)`, `kicked(instanceId)`, `refused(instanceId, msg)`, `notice(text)`. */
export class Room {
  #store;
  #on;
  #socket;
  #lists = new Map();
  #slow = 0;
  #unanswered = 0;

  constructor(store, on) {
    this.#store = store;
    this.#on = on;
    this.#socket = new LinkSocket(linkURL(), {
      phase: (phase, detail) => this.#patch({ phase, detail }),
      joined: () => this.#joined(),
      refused: (msg) => this.#on.refused(this.#room.instanceId, msg),
      event: (name, data) => this.#event(name, data),
      closes: (closes) => this.#store.set({ closes }),
    });
  }

  get #room() {
    return this.#store.get().room;
  }

  #patch(patch) {
    this.#store.set({ room: { ...this.#room, ...patch } });
  }

  /** Enters the instance's room, or stays and only takes its newer key. */
  enter(instance) {
    if (this.#room.instanceId !== instance.id) {
      this.#reset(instance.id);
    }
    this.#socket.enter(instance.key);
  }

  leave() {
    this.#reset(null);
    this.#socket.leave();
  }

  adopt(key) {
    this.#socket.adopt(key);
  }

  retry() {
    this.#socket.retryNow();
  }

  #reset(instanceId) {
    freePictures(this.#room.pictures);
    this.#lists.clear();
    clearTimeout(this.#slow);
    clearTimeout(this.#unanswered);
    this.#store.set({ room: { ...emptyRoom, instanceId, phase: this.#socket.phase } });
  }

  /**
   * Sends a command; its id, or null when it did not go out (the caller keeps what was typed).
   * Visible commands appear among the activities at once.
   */
  command(type, fields = {}) {
    const command = { id: uuid(), type, createdAt: new Date().toISOString(), ...fields };
    if (new Blob([JSON.stringify(command)]).size > MAX_COMMAND_BYTES) {
      this.#on.notice("That is more text than this server passes on.");
      return null;
    }
    if (!this.#socket.send("command", command)) {
      this.#on.notice("Not connected at the moment. Nothing was sent and nothing was lost; try again in a few seconds.");
      return null;
    }
    if (isActivity(command)) this.#patch({ activities: merged(this.#room.activities, { ...command, status: "sending" }) });
    else this.#lists.set(command.id, type);
    return command.id;
  }

  askForResources() {
    if (this.command("resources:list") === null) return;
    this.#patch({ resourcesState: this.#room.resources ? "refreshing" : "loading", resourcesError: "" });
    clearTimeout(this.#slow);
    this.#slow = setTimeout(() => {
      if (this.#room.resourcesState === "loading") this.#patch({ resourcesState: "slow" });
    }, SLOW_LIST_AFTER_MS);
  }

  clearActivities() {
    if (this.command("activities:clear") !== null) this.#patch({ activities: running(this.#room.activities) });
  }

  cancel(activityId) {
    return this.command("activities:cancel", { activityId });
  }

  #joined() {
    clearTimeout(this.#unanswered);
    // The relay repeats the last status of whatever is unfinished. What stays silent was lost with a restart.
    const open = this.#room.activities.filter(isRunning).map((activity) => [activity.id, activity.updatedAt]);
    if (open.length > 0) this.#unanswered = setTimeout(() => this.#markUnanswered(new Map(open)), UNANSWERED_AFTER_MS);
    if (this.#room.presence.sd > 0) this.#ask();
  }

  #markUnanswered(open) {
    this.#patch({
      activities: this.#room.activities.map((activity) =>
        isRunning(activity) && open.has(activity.id) && open.get(activity.id) === activity.updatedAt
          ? { ...activity, status: "unanswered" }
          : activity,
      ),
    });
  }

  #ask() {
    this.askForResources();
    this.command("activities:list");
  }

  #event(name, data) {
    if (name === "roomPresence") this.#presence(data);
    else if (name === "commandStatus") this.#status(data);
    else if (name === "upgradeKey" && typeof data?.key === "string") this.#on.upgraded(this.#room.instanceId, data.key);
    else if (name === "kicked") this.#on.kicked(this.#room.instanceId);
    else if (name === "error" && typeof data?.msg === "string") this.#on.notice(data.msg);
  }

  #presence(data) {
    const presence = { client: Number(data?.client) || 0, sd: Number(data?.sd) || 0 };
    const cameUp = presence.sd > 0 && this.#room.presence.sd === 0;
    this.#patch({ presence, isPresenceKnown: true });
    if (cameUp && this.#room.phase === "joined") this.#ask();
  }

  #status(status) {
    if (status === null || typeof status !== "object") return;
    if (status.type === "resources:list") this.#resources(status);
    else if (status.type === "activities:list" || status.type === "activities:clear") this.#activitiesReported(status);
    else if (this.#lists.has(status.id)) this.#quietStatus(status);
    else if (isActivity(status) || this.#isKnown(status.id)) this.#activity(status);
  }

  // Deployed extensions report progress by id alone, without a type.
  #isKnown(id) {
    return this.#room.activities.some((activity) => activity.id === id);
  }

  #resources(status) {
    this.#lists.delete(status.id);
    if (Array.isArray(status.resources)) {
      clearTimeout(this.#slow);
      this.#patch({ resources: status.resources.filter((r) => r && typeof r === "object"), resourcesState: "ready", resourcesError: "" });
    } else if (status.status === "error") {
      clearTimeout(this.#slow);
      this.#patch({ resourcesState: "error", resourcesError: failureText(status) });
    }
  }

  #activitiesReported(status) {
    this.#lists.delete(status.id);
    if (!Array.isArray(status.activities)) return;
    const base = status.type === "activities:clear" ? running(this.#room.activities) : this.#room.activities;
    this.#patch({ activities: mergedAll(base, status.activities) });
  }

  #quietStatus(status) {
    if (status.status !== "pending" && status.status !== "processing") this.#lists.delete(status.id);
    if (status.status === "error") this.#on.notice(failureText(status));
  }

  #activity(status) {
    const patch = { activities: merged(this.#room.activities, status) };
    if (Array.isArray(status.images) && status.images.length > 0) {
      const known = patch.activities.find((activity) => activity.id === status.id);
      patch.pictures = withPictures(this.#room.pictures, { ...known, images: status.images });
    }
    this.#patch(patch);
  }
}
