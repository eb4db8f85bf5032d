// A short word about what has just been done, read out by screen readers, gone after a while.

import { byId, el, shown } from "../dom.js";

const SHOWN_MS = 6000;
const MOST = 4;

/** Tell something; `tone` is "", good or failing. Failures stay until they are closed. */
export function toast(text, tone = "") {
  const close = el("button", { class: "quiet", type: "button", "aria-label": "Close this message", on: { click: () => node.remove() } }, "×");
  const node = el("div", { class: `toast ${tone}` }, el("p", {}, shown(text)), close);
  const all = byId("toasts");
  while (all.children.length >= MOST) all.firstElementChild.remove();
  all.append(node);
  if (tone !== "failing") setTimeout(() => node.remove(), SHOWN_MS);
}
