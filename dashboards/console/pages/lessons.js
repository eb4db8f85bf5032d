// Lessons.

import { el } from "../dom.js";
import { empty, panel } from "../components/panel.js";

export function open(root) {
  const card = panel("Lessons");
  card.body.append(empty("This page is being built", "Ten to fifteen minutes each."));
  root.append(el("h1", { class: "unseen" }, "Lessons"), card.node);
}
