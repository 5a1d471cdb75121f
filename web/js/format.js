// Turns values into what people read: codes in groups, sizes, spans and points in time.
// Pure functions of their arguments; the locale is the browser's.
// SPDX-License-Identifier: Apache-2.0

/** `a1b2c3` → `a1b 2c3`: two groups are read out and typed with fewer slips. For display only, never for copying. */
export function groupedCode(code) {
  const half = Math.ceil(code.length / 2);
  return `${code.slice(0, half)} ${code.slice(half)}`;
}

/** The six hex digits in `text`, whatever case, blanks or dashes they were typed with; null otherwise. */
export function parsedCode(text) {
  const code = text.toLowerCase().replace(/[\s-]/g, "");
  return /^[0-9a-f]{6}$/.test(code) ? code : null;
}

/** `9:41` until `target`; never negative. */
export function countdown(target, now) {
  const seconds = Math.max(0, Math.ceil((target - now) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

const SPANS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86400, "hour", 3600],
  [86400 * 30, "day", 86400],
  [86400 * 365, "month", 86400 * 30],
  [Infinity, "year", 86400 * 365],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** `3 minutes ago`, `just now`. */
export function ago(time, now) {
  const seconds = Math.max(0, (now - time) / 1000);
  if (seconds < 10) return "just now";
  const [, unit, size] = SPANS.find(([limit]) => seconds < limit);
  return relative.format(-Math.floor(seconds / size), unit);
}

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
export function fullTime(time) {
  return dateTime.format(time);
}

/** `12.4 MB`. */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Bytes per second as `12.4 MB/s`. */
export const speed = (bytesPerSecond) => `${size(bytesPerSecond)}/s`;

/** Seconds as `about 2 min left`. */
export function remaining(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}

export const count = new Intl.NumberFormat();
