// Routes.

import { el } from "../dom.js";
import { empty, panel } from "../components/panel.js";

export function open(root) {
  const card = panel("Routes");
  card.body.append(empty("This page is being built", ""));
  root.append(el("h1", { class: "unseen" }, "Routes"), card.node);
}
