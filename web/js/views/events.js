// What happened to a link lately: codes made, installs paired, wrong codes tried meanwhile. A dialog from the link's menu.
// SPDX-License-Identifier: Apache-2.0

import { api, timeOf } from "../api.js";
import { h, setText } from "../dom.js";
import { fullTime } from "../format.js";
import { dialog } from "./parts.js";

function wrongText(count) {
  if (count === 0) return "";
  return count === 1 ? "one wrong code was tried on this server before that" : `${count} wrong codes were tried on this server before that`;
}

function textOf({ what, from, wrongTries }) {
  const text = what === "paired" ? `An install was paired${from ? ` from ${from}` : ""}` : "A code was made";
  const wrong = wrongText(wrongTries);
  return wrong ? `${text}; ${wrong}.` : `${text}.`;
}

export function eventsDialog(app) {
  const box = dialog("Pairing history", { className: "small" });
  const list = h("ul", { class: "closes" });
  const since = h("p", { class: "muted" });
  box.body.append(list, since);
  return {
    async open(id) {
      try {
        const { events, wrongTriesSince } = await api.events(id);
        list.replaceChildren(
          ...events.toReversed().map((event) => h("li", null, h("time", null, fullTime(timeOf(event.at))), h("p", null, textOf(event)))),
        );
        setText(since, events.length === 0 ? "Nothing since this server was started." : wrongTriesSince > 0 ? `Wrong codes tried on this server since then: ${wrongTriesSince}.` : "");
        box.open();
      } catch (error) {
        app.toast(error.message, "error");
      }
    },
  };
}
