// The socket half of the public wire: one native WebSocket to /link, kept up as long as a room is wanted.
// Decides when to come back (backoff with jitter, close-code ranges) and when to stop and say why. Knows no views and no commands.
// Must never queue events of its own: an event is sent while joined, or the caller is told that it was not.
// SPDX-License-Identifier: Apache-2.0

const SUBPROTOCOL = "linkrelay.v1";
const ACK_TIMEOUT_MS = 10000;
const PROBE_INTERVAL_MS = 60000;
const STEADY_AFTER_MS = 20000;
const CLOSES_KEPT = 50;

/** Milliseconds to wait before attempt `n` (0 = first): 1–5 s at first, growing to at most 30 s, with jitter. */
function backoff(n, random = Math.random) {
  const ceiling = Math.min(30000, 5000 * 1.6 ** n);
  return 1000 + random() * (ceiling - 1000);
}

/** Whether the server's close code asks to stay away until something changes. */
function isFinal(code) {
  return code >= 4100 && code <= 4199;
}

export function linkURL(place = location) {
  return `${place.protocol === "https:" ? "wss:" : "ws:"}//${place.host}/link`;
}

/**
 * Events reported through `on`: `phase(phase, detail)`, `joined()`, `refused(msg)`, `event(name, data)`, `closes(list)`.
 * Phases: idle, connecting (detail.attempt), joining, joined, waiting (detail.retryAt, detail.attempt: tries failed in a row), refused (detail.msg), stopped (detail.code, detail.reason).
 */
export class LinkSocket {
  #on;
  #url;
  #ws = null;
  #key = null;
  #phase = "idle";
  #attempt = 0;
  #nextAck = 1;
  #acks = new Map();
  #retry = 0;
  #probe = 0;
  #steady = 0;
  #closes = [];

  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    addEventListener("online", () => this.nudge());
    addEventListener("pagehide", () => this.#suspend());
    addEventListener("pageshow", (event) => event.persisted && this.nudge());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.nudge());
  }

  get phase() {
    return this.#phase;
  }

  /** Wants the room that `key` opens; leaves another one. Joining the present room's new key is harmless. */
  enter(key) {
    this.#key = key;
    this.#attempt = 0;
    if (this.#ws?.readyState === WebSocket.OPEN) this.#join();
    else if (!this.#ws) this.#connect();
  }

  /** The room's key changed under us (`upgradeKey`): nothing to send, only the next reconnect uses it. */
  adopt(key) {
    this.#key = key;
  }

  /** Wants no room: leaves and closes. */
  leave() {
    this.#key = null;
    clearTimeout(this.#retry);
    if (this.#ws?.readyState === WebSocket.OPEN) this.#raw({ event: "leave" });
    this.#drop(1000, "left");
    this.#enterPhase("idle");
  }

  /** True if the event went out; false when there is no room to send it to. */
  send(event, data) {
    if (this.#phase !== "joined" || this.#ws?.readyState !== WebSocket.OPEN) return false;
    this.#raw({ event, data });
    return true;
  }

  /** The network or the tab came back: try at once, and make sure that an open connection is a living one. */
  nudge() {
    if (this.#phase === "waiting") this.#connect();
    else if (this.#phase === "joined") this.#probeNow();
  }

  /** Tries again after `stopped` or `refused`, because somebody asked for it. */
  retryNow() {
    if (this.#key === null) return;
    this.#attempt = 0;
    if (this.#ws?.readyState === WebSocket.OPEN) this.#join();
    else this.#connect();
  }

  #enterPhase(phase, detail = {}) {
    this.#phase = phase;
    this.#on.phase(phase, detail);
  }

  #raw(message) {
    this.#ws.send(JSON.stringify(message));
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#drop(1000, "replaced");
    this.#enterPhase("connecting", { attempt: this.#attempt });
    let ws;
    try {
      ws = new WebSocket(this.#url, SUBPROTOCOL);
    } catch {
      this.#scheduleRetry();
      return;
    }
    this.#ws = ws;
    ws.onopen = () => this.#opened(ws);
    ws.onmessage = (message) => ws === this.#ws && this.#received(message.data);
    ws.onclose = (close) => ws === this.#ws && this.#closed(close);
  }

  #opened(ws) {
    if (ws !== this.#ws) return;
    this.#raw({ event: "iam", data: { type: "client", name: "LinkRelay page" } });
    this.#join();
    this.#probe = setInterval(() => document.visibilityState === "visible" && this.#probeNow(), PROBE_INTERVAL_MS);
  }

  #join() {
    this.#enterPhase("joining");
    const key = this.#key;
    this.#request("join", key, (answer) => {
      if (key !== this.#key) return;
      if (answer?.success === true) {
        this.#enterPhase("joined");
        this.#on.joined();
        clearTimeout(this.#steady);
        this.#steady = setTimeout(() => (this.#attempt = 0), STEADY_AFTER_MS);
      } else {
        const msg = typeof answer?.msg === "string" ? answer.msg : "The key was not accepted.";
        this.#enterPhase("refused", { msg });
        this.#on.refused(msg);
      }
    });
  }

  #request(event, data, then) {
    const ack = this.#nextAck++;
    const timer = setTimeout(() => {
      this.#acks.delete(ack);
      this.#lost("No answer from the server.");
    }, ACK_TIMEOUT_MS);
    this.#acks.set(ack, { timer, then });
    this.#raw({ event, data, ack });
  }

  // Repeating the join of one's own room changes nothing for anybody, and its ack proves that the path still works.
  // A code is not repeated: it may have been spent a moment ago, and a spent code counts as a wrong one.
  #probeNow() {
    if (this.#phase !== "joined" || this.#key.length < 10 || this.#acks.size > 0) return;
    const key = this.#key;
    this.#request("join", key, (answer) => {
      if (key === this.#key && answer?.success !== true) this.#on.refused(answer?.msg ?? "");
    });
  }

  #received(text) {
    if (typeof text !== "string") return;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message === null || typeof message !== "object") return;
    if (message.event === "ack") {
      const waiting = this.#acks.get(message.ack);
      if (!waiting) return;
      clearTimeout(waiting.timer);
      this.#acks.delete(message.ack);
      waiting.then(message.data);
      return;
    }
    if (typeof message.event === "string") this.#on.event(message.event, message.data);
  }

  #closed(close) {
    this.#remember(close.code, close.reason);
    this.#forget();
    if (this.#key === null) this.#enterPhase("idle");
    else if (isFinal(close.code)) this.#enterPhase("stopped", { code: close.code, reason: close.reason });
    else this.#scheduleRetry();
  }

  // A page that was left may be kept by the browser for "back"; kept pages must not count as present.
  #suspend() {
    if (this.#key === null || !this.#ws) return;
    this.#drop(1000, "page left");
    this.#enterPhase("waiting", { retryAt: Date.now() });
  }

  #lost(reason) {
    this.#remember(1006, reason);
    this.#drop(1000, "lost");
    if (this.#key !== null) this.#scheduleRetry();
  }

  #scheduleRetry() {
    const delay = backoff(this.#attempt++);
    this.#enterPhase("waiting", { retryAt: Date.now() + delay, attempt: this.#attempt });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), delay);
  }

  #remember(code, reason) {
    this.#closes = [{ at: Date.now(), code, reason }, ...this.#closes].slice(0, CLOSES_KEPT);
    this.#on.closes(this.#closes);
  }

  #drop(code, reason) {
    const ws = this.#ws;
    this.#forget();
    if (ws && ws.readyState <= WebSocket.OPEN) ws.close(code, reason);
  }

  #forget() {
    this.#ws = null;
    clearInterval(this.#probe);
    clearTimeout(this.#steady);
    for (const { timer } of this.#acks.values()) clearTimeout(timer);
    this.#acks.clear();
  }
}
