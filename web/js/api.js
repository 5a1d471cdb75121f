// The REST half of the public wire: sessions, instances, tokens, QR pictures. Decides how an answer becomes a value or an ApiError.
// Sends the session cookie to this origin only; never puts a secret into a URL and never logs one.
// SPDX-License-Identifier: Apache-2.0

const TIMEOUT_MS = 15000;

/** What the server, or the way to it, answered instead of a result. `status` 0 means that nothing answered. */
export class ApiError extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let aheadMs = 0;
// What the header leaves out, and what an answer takes on its way.
const CLOCK_SLACK_MS = 5000;

/** The time by the server's clock, to compare with the times that it tells: this device's may be wrong by hours. */
export const serverNow = () => Date.now() - aheadMs;

function learnClock(response) {
  const time = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(time)) return;
  const difference = Date.now() - time;
  aheadMs = Math.abs(difference) > CLOCK_SLACK_MS ? difference : 0;
}

async function request(method, path, body) {
  const options = { method, credentials: "same-origin", cache: "no-store", headers: {}, signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError("The server cannot be reached right now.", 0, "unreachable");
  }
  learnClock(response);
  if (response.ok) return response;
  let details = {};
  try {
    details = await response.json();
  } catch {
    // Not every proxy answers in JSON.
  }
  const text = typeof details?.error === "string" ? details.error : `The server answered ${response.status}.`;
  throw new ApiError(text, response.status, typeof details?.code === "string" ? details.code : "");
}

async function json(method, path, body) {
  const response = await request(method, path, body);
  const text = await response.text();
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError("The server sent an answer that makes no sense.", response.status, "bad_answer");
  }
}

/** Milliseconds since 1970 from an ISO string or a number (seconds or milliseconds); null if there is none. */
export function timeOf(value) {
  if (typeof value === "number" && Number.isFinite(value)) return value < 1e11 ? value * 1000 : value;
  if (typeof value === "string") {
    const parsed = Date.parse(value);
    return Number.isNaN(parsed) ? null : parsed;
  }
  return null;
}

/** One instance as the views use it, whatever optional fields the server sent. */
function instanceOf(raw) {
  const presence = raw.presence ?? {};
  return {
    id: Number(raw.id),
    key: String(raw.key ?? ""),
    name: typeof raw.name === "string" ? raw.name : "",
    isActivated: raw.activated === true,
    origin: typeof raw.origin === "string" ? raw.origin : "",
    createdAt: timeOf(raw.createdAt),
    lastSeenAt: timeOf(raw.lastSeenAt),
    pairedAt: timeOf(raw.pairedAt),
    pairedFrom: typeof raw.pairedFrom === "string" ? raw.pairedFrom : "",
    expiresAt: timeOf(raw.codeExpiresAt ?? raw.expiresAt),
    presence: { client: Number(presence.client) || 0, sd: Number(presence.sd) || 0 },
  };
}

export const api = {
  session: () => json("GET", "/api/session"),
  signInWithTicket: (ticket) => json("POST", "/api/session", { ticket }),
  signInWithToken: (token) => json("POST", "/api/session", { token }),
  signOut: () => json("DELETE", "/api/session"),
  signOutEverywhere: () => json("POST", "/api/session/everywhere", {}),
  async instances() {
    const list = await json("GET", "/api/link");
    return Array.isArray(list) ? list.map(instanceOf) : [];
  },
  createInstance: (name) => json("POST", "/api/link", name ? { name } : {}),
  rekeyInstance: (id) => json("POST", "/api/link", { id }),
  renameInstance: (id, name) => json("PUT", "/api/link", { id, name }),
  deleteInstance: (id) => json("DELETE", `/api/link?id=${encodeURIComponent(id)}`),
  policy: (id) => json("GET", `/api/link/policy?id=${encodeURIComponent(id)}`),
  setPolicy: (id, policy) => json("PUT", `/api/link/policy?id=${encodeURIComponent(id)}`, policy),
  events: (id) => json("GET", `/api/link/events?id=${encodeURIComponent(id)}`),
  async applicants() {
    const list = await json("GET", "/api/link/approvals");
    return Array.isArray(list) ? list.map(({ id, number, name, from }) => ({ id: Number(id), number: String(number), name: String(name ?? ""), from: String(from ?? "") })) : [];
  },
  decide: (id, number, approve) => json("POST", "/api/link/approvals", { id, number, approve }),
  tokens: () => json("GET", "/api/tokens"),
  makeToken: (label) => json("POST", "/api/tokens", { label }),
  revokeToken: (id) => json("DELETE", `/api/tokens?id=${encodeURIComponent(id)}`),
  async qr(text) {
    const response = await request("POST", "/api/qr", { text });
    return new Blob([await response.text()], { type: "image/svg+xml" });
  },
};
