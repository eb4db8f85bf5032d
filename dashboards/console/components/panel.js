// A panel: a titled card. Whatever can be empty says then what to press.

import { el, setText } from "../dom.js";

let count = 0;

/** A section with a heading. `note` is told beside it, `tools` stand at the right. Returns { node, body, note(text) }. */
export function panel(title, { note = "", tools = [], level = 2, className = "" } = {}) {
  const id = `panel-${++count}`;
  const aside = el("p", { class: "soft" }, note);
  const body = el("div", { class: "panel-body" });
  const head = el("header", {}, el(`h${level}`, { id }, title), aside, ...tools);
  const node = el("section", { class: `card ${className}`, "aria-labelledby": id }, head, body);
  return { node, body, note: (text) => setText(aside, text) };
}

/** What stands where nothing is yet: a title, and what to do (text, or elements such as a button). */
export function empty(title, ...todo) {
  return el("div", { class: "empty" }, el("strong", {}, title), el("div", {}, ...todo));
}

/** What stands where something went wrong. */
export function failed(title, ...words) {
  return el("div", { class: "trouble", role: "alert" }, el("strong", {}, title), el("p", {}, ...words));
}
