// Services.

import { el } from "../dom.js";
import { empty, panel } from "../components/panel.js";

export function open(root) {
  const card = panel("Services");
  card.body.append(empty("This page is being built", "The processes of this instance."));
  root.append(el("h1", { class: "unseen" }, "Services"), card.node);
}
