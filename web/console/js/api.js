// The operator's surface as functions. Decides how an answer becomes a value or an error.
// A token is kept in this tab's sessionStorage at most, sent to this origin only, and never put into a URL.
// SPDX-License-Identifier: Apache-2.0

const ROOT = "/admin/v1";
const TIMEOUT_MS = 10000;
const TOKEN = "linkrelay.console-token";

/** What the relay answered instead of a result; `status` 0 means that nothing answered. */
class AdminError extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => sessionStorage.setItem(TOKEN, text),
  forget: () => sessionStorage.removeItem(TOKEN),
};

async function request(method, path, body) {
  const headers = {};
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(ROOT + path, {
      method, headers, cache: "no-store", credentials: "omit", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new AdminError("The relay does not answer. It may have ended, or the tunnel to it is down.", 0, "unreachable");
  }
  let value = {};
  try {
    value = await response.json();
  } catch {
    throw new AdminError(`The answer ${response.status} makes no sense. Is a proxy in between?`, response.status, "bad_answer");
  }
  if (!response.ok) throw new AdminError(value.error ?? `The relay answered ${response.status}.`, response.status, value.code ?? "");
  return value;
}

const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
};

export const admin = {
  status: () => request("GET", "/status"),
  connections: () => request("GET", "/connections"),
  rooms: (filter) => request("GET", `/rooms${query(filter)}`),
  room: (id, addresses) => request("GET", `/rooms/${id}${query({ addresses })}`),
  instances: (cursor) => request("GET", `/instances${query({ limit: 200, cursor })}`),
  recent: (kind) => request("GET", `/recent${query({ kind, limit: 100 })}`),
  limits: () => request("GET", "/limits"),
  blocks: () => request("GET", "/blocks"),
  addBlock: (block) => request("POST", "/blocks", block),
  removeBlock: (id) => request("DELETE", `/blocks/${id}`),
  kick: (id) => request("POST", `/rooms/${id}/kick`),
  disconnect: (session) => request("POST", `/sessions/${session}/disconnect`),
};
