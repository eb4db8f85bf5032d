// Requests.

import { el } from "../dom.js";
import { empty, panel } from "../components/panel.js";

export function open(root) {
  const card = panel("Requests");
  card.body.append(empty("This page is being built", ""));
  root.append(el("h1", { class: "unseen" }, "Requests"), card.node);
}
