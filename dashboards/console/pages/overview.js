// Overview.

import { el } from "../dom.js";
import { empty, panel } from "../components/panel.js";

export function open(root) {
  const card = panel("Overview");
  card.body.append(empty("This page is being built", ""));
  root.append(el("h1", { class: "unseen" }, "Overview"), card.node);
}
