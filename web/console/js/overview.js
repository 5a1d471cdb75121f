// The line of figures above the tabs. SPDX-License-Identifier: Apache-2.0

import { h, setText } from "/js/dom.js";
import { count, size } from "/js/format.js";
import { bytesPerSecond, perSecond } from "./words.js";

const TILES = ["Rooms", "Members", "Connections", "Messages a second, in", "Traffic, in", "Memory"];

/** `1 link`, `2 links`. */
function counted(number, word) {
  return `${count.format(number)} ${word}${number === 1 ? "" : "s"}`;
}

export function overview() {
  const tiles = TILES.map((title) => {
    const value = h("span");
    const more = h("span", { class: "tile-more" });
    return { value, more, node: h("div", { class: "tile" }, h("dt", null, title), h("dd", null, value, more)) };
  });
  return {
    node: h("dl", { class: "tiles" }, tiles.map((one) => one.node)),
    update({ status, rates }) {
      if (!status) return;
      const texts = [
        [count.format(status.rooms), `of ${counted(status.links, "link")}`],
        [count.format(status.members.sd + status.members.client), `${counted(status.members.sd, "extension")}, ${counted(status.members.client, "client")}`],
        [count.format(status.connections), counted(status.websockets, "WebSocket")],
        [perSecond(rates.messagesIn), `${perSecond(rates.messagesOut)} out, ${count.format(status.commandsInFlight)} in flight`],
        [bytesPerSecond(rates.bytesIn), `${bytesPerSecond(rates.bytesOut)} out`],
        [size(status.residentBytes), `${size(status.queuedBytes)} queued, ${counted(status.openFiles, "file")}`],
      ];
      texts.forEach(([value, more], i) => {
        setText(tiles[i].value, value);
        setText(tiles[i].more, more);
      });
    },
  };
}
