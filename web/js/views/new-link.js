// The button that makes a link, wherever it stands. The focus goes on to the new code. SPDX-License-Identifier: Apache-2.0

import { button, whileBusy } from "./parts.js";

export function newLinkButton(app, kind, rest = {}) {
  async function make() {
    if (await app.createInstance()) document.getElementById("code-heading")?.focus();
  }
  const node = button("New link", { kind, iconName: "plus", ...rest, onClick: () => whileBusy(node, make) });
  return node;
}
