// A table whose rows are kept by key, so that a redraw every two seconds moves nothing and loses no focus.
// On a narrow screen the stylesheet shows each row as a card with the columns' titles.
// SPDX-License-Identifier: Apache-2.0

import { h, keyed } from "/js/dom.js";

/**
 * `columns`: `{title, number?, headline?, whole?, label?}`. `row(item)` makes `{cells: [node…], update(item), onOpen?}`, one cell a column.
 */
export function sheet(caption, columns, keyOf, row) {
  const body = h("tbody");
  const views = new Map();
  const head = columns.map((one) => h("th", { scope: "col", class: one.number ? "number" : "" }, one.title));
  const node = h("div", { class: "sheet" }, h("table", { "aria-label": caption }, h("thead", null, h("tr", null, head)), body));
  const classes = (one) => [one.number && "number", one.headline && "headline", one.whole && "whole"].filter(Boolean).join(" ");
  return {
    node,
    update(items) {
      keyed(body, views, items, keyOf, (item) => {
        const made = row(item);
        const cells = made.cells.map((cell, i) =>
          h("td", { class: classes(columns[i]), "data-label": columns[i].headline ? null : (columns[i].label ?? columns[i].title) || null }, cell));
        const line = h("tr", { class: made.onOpen ? "opens" : "", on: made.onOpen ? { click: made.onOpen } : {} }, cells);
        return {
          node: line,
          update(one) {
            made.update(one);
            for (const cell of cells) cell.classList.toggle("empty-cell", cell.textContent === "" && !cell.querySelector("button"));
          },
        };
      });
    },
  };
}
