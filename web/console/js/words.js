// What the relay's names mean, in words for the operator. Pure.
// SPDX-License-Identifier: Apache-2.0

import { speed } from "/js/format.js";

const REASONS = {
  peer_eof: "the peer hung up without a goodbye",
  peer_reset: "the connection broke",
  peer_close_frame: "the peer closed it",
  local_close: "the relay closed it",
  local_abort: "the relay dropped it",
  heartbeat_timeout: "nothing was heard for too long",
  close_timeout: "the peer did not finish closing",
  write_timeout: "the peer took nothing that was sent",
  queue_overflow: "too much was waiting for the peer",
  slow_member: "too much was waiting for the peer",
  frame_protocol: "the peer broke the WebSocket protocol",
  poll_closed: "a waiting poll was hung up",
  poll_overlap: "two polls at once",
  grace_expired: "it did not come back in time",
  displaced: "a newer connection of the same install",
  by_operator: "an operator ended it",
  blocked: "blocked by an operator",
  deleted: "the link was deleted",
  expired: "the link expired",
  revoked: "the link was removed",
  user_removed: "the user was removed",
  restarting: "the relay is restarting",
  store_unavailable: "the store could not answer",
  greeting_timeout: "it never joined a room",
  too_many_errors: "too many refused messages",
  malformed: "the peer sent nonsense",
};

/** A reason as a clause; an unknown one by its own name. */
export const reasonText = (reason) => REASONS[reason] ?? reason.replaceAll("_", " ");

const EVENTS = {
  connect: "Connected",
  join: "Joined",
  leave: "Left",
  vanish: "Vanished",
  return: "Came back",
  displace: "Displaced",
  kick: "Kicked",
  expire: "Given up",
};
export const eventText = (event) => EVENTS[event] ?? event;

export const roleText = (role) => ({ sd: "Extension", client: "Client" })[role] ?? "–";
export const wayText = (one) => (one.transport === "polling" ? "Socket.IO, polling" : one.dialect === "native" ? "Native" : "Socket.IO");

/** Bytes a second: `–` as long as they are not known, `12.3 MB/s`. */
export const bytesPerSecond = (rate) => (rate === null ? "–" : speed(rate));

/** A count a second: `0`, `0.4`, `12`. */
export const perSecond = (rate) => (rate === null ? "–" : rate === 0 ? "0" : rate < 10 ? rate.toFixed(1) : String(Math.round(rate)));

/** `14:03:22.120` today, else with its date. */
export function clock(iso, now) {
  const time = new Date(iso);
  const isToday = time.toDateString() === new Date(now).toDateString();
  const hours = time.toLocaleTimeString(undefined, { hour12: false });
  return isToday ? hours : `${time.toLocaleDateString(undefined, { month: "short", day: "numeric" })} ${hours}`;
}

/** Whole spans: `3 d 4 h`, `12 min`, `8 s`. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
