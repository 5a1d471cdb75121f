// Decides how statuses become the list of activities: what belongs in it, which of two reports is newer, what has ended.
// Pure: lists in, lists out; newest first.
// SPDX-License-Identifier: Apache-2.0

const KEPT = 200;
const ENDED = new Set(["success", "error", "canceled"]);

export function hasEnded(activity) {
  return ENDED.has(activity.status);
}

export function isRunning(activity) {
  return !hasEnded(activity) && activity.status !== "unanswered";
}

/** Whether a status is something a person did, rather than this page asking for lists. */
export function isActivity(status) {
  const type = status.type ?? "";
  return typeof status.id === "string" && !type.endsWith(":list") && !type.startsWith("activities:") && type !== "";
}

// A late progress report must not bring an ended activity back to life.
function isOlder(next, known) {
  return hasEnded(known) && !hasEnded(next);
}

/** The list with `status` merged in. Base64 pictures are left out: the pictures have a place of their own. */
export function merged(list, status) {
  const { images, ...all } = status;
  // Reports may carry empty fields for what they do not know; they must not wipe out what is known.
  const rest = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined));
  const at = list.findIndex((known) => known.id === status.id);
  if (at < 0) return [rest, ...list].slice(0, KEPT);
  if (isOlder(rest, list[at])) return list;
  const next = list.slice();
  next[at] = { ...list[at], ...rest, type: list[at].type ?? rest.type };
  return next;
}

/** The extension's own list folded into ours: it knows what happened while this page was away, which is older than what we saw. */
export function mergedAll(list, reported) {
  const relevant = reported.filter((entry) => entry && typeof entry === "object" && isActivity(entry));
  const known = new Set(list.map((activity) => activity.id));
  const older = relevant.filter((entry) => !known.has(entry.id)).sort((a, b) => timeText(b).localeCompare(timeText(a)));
  const ours = relevant.filter((entry) => known.has(entry.id)).reduce(merged, list);
  return [...ours, ...older.map(({ images, ...entry }) => entry)].slice(0, KEPT);
}

function timeText(activity) {
  return String(activity.createdAt ?? activity.updatedAt ?? "");
}

/** What remains after clearing: whatever still runs. */
export function running(list) {
  return list.filter(isRunning);
}

/** What an activity is about, in the best words that came with it. */
export function titleOf(activity) {
  const resource = activity.resource ?? activity.resources?.[0];
  if (resource) return [resource.modelName || resource.name || resource.hash || "", resource.modelVersionName].filter(Boolean).join(" · ");
  return activity.params?.prompt || activity.prompt || `#${activity.id.slice(0, 8)}`;
}
