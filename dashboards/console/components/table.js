// A table that is kept in place: rows are made once per key and then only filled, so that selections and focus survive.

import { el, keyed } from "../dom.js";
import { empty } from "./panel.js";

/**
 * `columns`: [{ title, num, wide, help, cell(item) }]; a cell is text or an element (for an element, give `fill` too:
 * it is called with the element and the item at each update). The first column is the row's heading.
 * Returns { node, show(items, nothing) }; `nothing` is [title, ...what to do] for an empty table.
 */
export function table(caption, columns, keyOf, { className = "" } = {}) {
  const head = el("thead", {}, el("tr", {}, ...columns.map(heading)));
  const body = el("tbody");
  const shell = el("table", { class: className }, el("caption", { class: "unseen" }, caption), head, body);
  const place = el("div", { class: "nothing", hidden: true });
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, shell);
  const node = el("div", {}, scroll, place);
  const show = (items, nothing = ["Nothing here yet"]) => {
    keyed(body, items, keyOf, (item) => row(columns, item), (line, item) => fill(columns, line, item));
    scroll.hidden = items.length === 0;
    place.hidden = items.length > 0;
    if (items.length === 0) sameOr(place, nothing);
  };
  return { node, show };
}

function heading({ title, num, wide, help }) {
  const kind = [num && "num", wide && "wide"].filter(Boolean).join(" ") || null;
  return el("th", { scope: "col", class: kind }, help ? el("abbr", { title: help, tabindex: "0" }, title) : title);
}

function row(columns, item) {
  const cells = columns.map(({ num, wide, cell }, index) => {
    const kind = [num && "num", wide && "wide"].filter(Boolean).join(" ") || null;
    return el(index ? "td" : "th", { class: kind, scope: index ? null : "row" }, cell(item));
  });
  return el("tr", {}, ...cells);
}

function fill(columns, line, item) {
  columns.forEach(({ cell, fill: update, tone }, index) => {
    const place = line.cells[index];
    if (update) update(place.firstElementChild, item);
    else setCell(place, cell(item));
    if (tone) place.dataset.tone = tone(item) ?? "";
  });
}

function setCell(place, content) {
  if (typeof content === "string") {
    if (place.textContent !== content) place.textContent = content;
  } else if (!place.firstChild?.isEqualNode(content)) place.replaceChildren(content);
}

function sameOr(place, nothing) {
  const now = nothing.map((one) => one.textContent ?? one).join();
  if (place.dataset.now === now) return;
  place.dataset.now = now;
  place.replaceChildren(empty(...nothing));
}
