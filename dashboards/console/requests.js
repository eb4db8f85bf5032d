// The latest requests: what was asked, by whom, what came of it, and who decided that, and why.

import { byId, el, keyed, shown } from "./dom.js";
import { clock, millis } from "./format.js";

let show = "all";
let paused = false;
let latest = [];
let newest = 0;

export function setUp() {
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      show = button.dataset.show;
      for (const other of document.querySelectorAll("[data-show]")) other.setAttribute("aria-pressed", String(other === button));
      render(latest, null);
    });
  }
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
  });
}

/** Show the records of a message; `start` is the command or button that makes some. */
export function requests(message, start) {
  if (!paused) latest = message.requests;
  if (!paused) render(latest, start);
}

function render(records, start) {
  const list = byId("request-list");
  const chosen = records.filter((record) => show === "all" || kind(record) === show);
  if (chosen.length === 0) return list.replaceChildren(emptyItem(records.length, start));
  const before = newest;
  keyed(list, chosen, (record) => record.seq, (record) => item(record, before));
  newest = Math.max(newest, ...records.map((record) => record.seq));
}

function emptyItem(others, start) {
  const title = others ? `Nothing ${show} among the latest ${others}` : "No requests yet";
  return el("li", { class: "empty", "data-key": "" }, el("strong", {}, title), others ? "" : start ?? "");
}

function kind(record) {
  if (record.status >= 500 || !record.status) return "failing";
  return record.status >= 400 ? "refused" : "fine";
}

function item(record, before) {
  const fresh = before > 0 && record.seq > before ? "new" : "";
  const address = shown(record.path);
  return el("li", { class: `request ${kind(record)} ${fresh}` },
    el("time", { datetime: shown(record.start_time) }, clock(record.start_time)),
    el("span", { class: "status" }, shown(record.status || "–")),
    el("span", { class: "path", title: address }, el("b", {}, shown(record.method)), ` ${address || "(not a request)"}`),
    el("span", { class: "who" }, record.subject ? shown(record.subject) : el("span", { class: "soft" }, "anonymous")),
    el("span", { class: "took" }, millis(record.duration_ms)),
    el("span", { class: "soft" }), el("span", { class: "soft" }),
    el("span", { class: "why" }, ...why(record)),
    el("span", { class: "more" }, record.trace_id ? el("a", { href: `#trace=${encodeURIComponent(record.trace_id)}` }, "trace") : null));
}

function why(record) {
  const place = [record.route && shown(record.route), record.policy && shown(record.policy)].filter(Boolean).join(" · ");
  const decider = record.decided_by || record.upstream_cluster || "gateway";
  if (kind(record) === "fine") return [`answered by ${shown(decider)}`, place && ` · ${place}`].filter(Boolean);
  const word = kind(record) === "refused" ? "refused" : "failed";
  return [el("strong", {}, shown(record.reason || word)), ` · ${word} by ${shown(decider)}`, place && ` · ${place}`].filter(Boolean);
}
