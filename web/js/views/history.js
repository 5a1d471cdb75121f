// "Why did I disconnect": the last closes of this page's connection, with code, reason and time. In memory only.
// SPDX-License-Identifier: Apache-2.0

import { h, setText, show } from "../dom.js";
import { fullTime } from "../format.js";
import { closeText, phaseText, reasonText } from "../words.js";
import { button, dialog } from "./parts.js";

function closeRow(close) {
  return h(
    "li",
    null,
    h("time", { datetime: new Date(close.at).toISOString() }, fullTime(close.at)),
    h("p", null, closeText(close.code)),
    h("p", { class: "muted" }, h("code", null, String(close.code)), close.reason ? ` ${reasonText(close.reason)}` : " no reason given"),
  );
}

export function historyDialog(app) {
  const box = dialog("Connection history");
  const now = h("p", { class: "banner" });
  const rows = h("ol", { class: "closes" });
  const empty = h("p", { class: "muted" }, "This page has not lost its connection since it was opened.");
  const retry = button("Connect now", { kind: "primary", onClick: () => app.room.retry() });
  box.body.append(now, h("div", { class: "actions start" }, retry), empty, rows);
  let shown = null;
  return {
    open: box.open,
    update({ room, closes }) {
      const wait = room.phase === "waiting" ? Math.max(0, Math.ceil((room.detail.retryAt - Date.now()) / 1000)) : 0;
      setText(now, wait > 0 ? `Reconnecting in ${wait} s.` : `${phaseText(room.phase)}.`.replace("….", "…"));
      show(retry, ["waiting", "stopped", "refused"].includes(room.phase));
      if (closes === shown) return;
      shown = closes;
      rows.replaceChildren(...closes.map(closeRow));
      show(empty, closes.length === 0);
    },
  };
}
