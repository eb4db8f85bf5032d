// Lab.

import { el } from "../dom.js";
import { empty, panel } from "../components/panel.js";

export function open(root) {
  const card = panel("Lab");
  card.body.append(empty("This page is being built", "Attacks and the controls that stop them."));
  root.append(el("h1", { class: "unseen" }, "Lab"), card.node);
}
