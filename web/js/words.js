// Says in plain words what a machine reason means: terminal statuses, close codes, connection phases, command types.
// The one table of each; views never make up their own sentence for a reason.
// SPDX-License-Identifier: Apache-2.0

const REASONS = {
  instance_offline: "The install is offline, so nothing was done. Start it and try again.",
  timeout: "The install did not answer in time. It may be busy or frozen.",
  too_large: "The message was too large to pass through this server.",
  refused: "The server refused this command.",
  unsupported: "This install does not know this command.",
};

/** Why a command ended without success. The relay's own reasons come first, then the extension's text. */
export function failureText(activity) {
  const detail = typeof activity.error === "string" ? activity.error.trim() : "";
  const known = REASONS[activity.reason];
  if (!known) return detail || "The install reported an error without saying more.";
  return activity.reason === "refused" && detail ? detail : known;
}

const CLOSES = {
  1000: "Closed normally.",
  1001: "The server is going away or the page was left.",
  1006: "The connection broke without a word: network, sleep or a restarted server.",
  1008: "The server refused something this page sent.",
  1009: "A message was too large for the server.",
  1011: "The server had an internal problem.",
  1012: "The server is restarting.",
  1013: "The server is busy and asked to come back later.",
};

/** What a close code means; the server's own reason is shown beside it. */
export function closeText(code) {
  if (CLOSES[code]) return CLOSES[code];
  if (code >= 4000 && code <= 4099) return "The server asked this page to come back.";
  if (code >= 4100 && code <= 4199) return "The server asked this page not to come back without a change.";
  return "Closed for a reason this page does not know.";
}

/** A named reason (`slow_member`) as words (`slow member`). */
export function reasonText(reason) {
  return reason.replaceAll("_", " ").trim();
}

const PHASES = {
  idle: "Not connected",
  connecting: "Connecting…",
  joining: "Connecting…",
  joined: "Connected",
  waiting: "Reconnecting…",
  refused: "Not in the room",
  stopped: "Disconnected",
};
export function phaseText(phase) {
  return PHASES[phase] ?? phase;
}

const COMMANDS = { "resources:add": "Download", "resources:remove": "Removal", "image:txt2img": "Image", "image:img2img": "Image from image" };
export function commandText(type) {
  return COMMANDS[type] ?? (type || "Command");
}

const STATES = {
  sending: "Sent",
  pending: "Waiting",
  processing: "Running",
  success: "Done",
  error: "Failed",
  canceled: "Canceled",
  unanswered: "No answer",
};
export function stateText(status) {
  return STATES[status] ?? status;
}
