// "An extension wants in": who it says it is, where it is, and the two answers. Part of the pairing panel.
// SPDX-License-Identifier: Apache-2.0

import { h, show } from "../dom.js";
import { button } from "./parts.js";

function row(app, applicant) {
  const name = applicant.name || "An extension";
  const buttons = h("div", { class: "code-actions" },
    button("Approve", { kind: "primary", onClick: () => app.applicants.decide(applicant, true) }),
    button("Refuse", { onClick: () => app.applicants.decide(applicant, false) }));
  return h("li", null, h("p", null, h("b", null, name), ` has entered this code. It connects from ${applicant.from}.`), buttons);
}

export function approvalView(app) {
  const list = h("ul", { class: "applicants" });
  const node = h("section", { class: "card approval", role: "alert" }, h("h2", null, "Is this your install?"),
    h("p", { class: "muted" }, "Approve it only if you have just entered the code yourself. Whoever is approved receives this link’s commands."), list);
  let shown = null;
  let shownId = null;
  return {
    node,
    update(state, instance) {
      if (state.applicants === shown && instance.id === shownId) return;
      [shown, shownId] = [state.applicants, instance.id];
      const mine = state.applicants.filter((one) => one.id === instance.id);
      list.replaceChildren(...mine.map((one) => row(app, one)));
      show(node, mine.length > 0);
    },
  };
}
