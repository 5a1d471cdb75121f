// Reads the address's fragment once and takes secrets out of it at once, so that neither history nor a screenshot keeps them.
// `#ticket=…` signs in, `#code=…` shows a code, `#/link/7` is the place one was at (no secret).
// SPDX-License-Identifier: Apache-2.0

/** `{ticket?, code?, instanceId?}`; whatever is secret is gone from the address bar afterwards. */
export function takeFragment() {
  const text = location.hash.slice(1);
  const place = /^\/link\/(\d{1,15})$/.exec(text);
  if (place) return { instanceId: Number(place[1]) };
  if (!text) return {};
  const values = new URLSearchParams(text);
  const taken = {};
  if (values.has("ticket")) taken.ticket = values.get("ticket");
  if (values.has("code")) taken.code = values.get("code");
  history.replaceState(null, "", location.pathname);
  return taken;
}

/** The place an instance has in the address bar. */
export function placeOf(instanceId) {
  return instanceId === null ? location.pathname : `${location.pathname}#/link/${instanceId}`;
}
