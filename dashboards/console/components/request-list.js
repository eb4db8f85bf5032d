// Requests as a list: what was asked, by whom, what came of it, who decided that, and why.

import { el, keyed, shown } from "../dom.js";
import { clock, millis } from "../format.js";
import { empty } from "./panel.js";

/** `fine`, `refused` (4xx, on purpose) or `failing` (5xx, or no answer). */
export function kind(record) {
  if (record.status >= 500 || !record.status) return "failing";
  return record.status >= 400 ? "refused" : "fine";
}

/** Who decided what became of it. */
export const decider = (record) => record.decided_by || record.upstream_cluster || "gateway";

/** Returns { node, show(records, nothing) }; `nothing` is [title, …what to do] where there are none. */
export function requestList(label) {
  const node = el("ol", { class: "requests", "aria-label": label });
  let newest = 0;
  const show = (records, nothing) => {
    if (records.length === 0) return node.replaceChildren(el("li", { "data-key": "" }, empty(...nothing)));
    const before = newest;
    keyed(node, records, (record) => record.seq, (record) => item(record, before));
    newest = Math.max(newest, ...records.map((record) => record.seq));
  };
  return { node, show };
}

function item(record, before) {
  const fresh = before > 0 && record.seq > before ? "new" : "";
  const address = shown(record.path) || "(not a request)";
  const path = el("span", { class: "path", title: address }, el("b", {}, shown(record.method)), ` ${address}`);
  return el("li", { class: `request ${kind(record)} ${fresh}` },
    el("time", { datetime: shown(record.start_time) }, clock(record.start_time)),
    el("span", { class: "status" }, shown(record.status || "–")),
    record.trace_id ? el("a", { class: "way", href: `#/requests/${encodeURIComponent(record.trace_id)}` }, path) : path,
    el("span", { class: "who" }, record.subject ? shown(record.subject) : el("span", { class: "soft" }, "anonymous")),
    el("span", { class: "took" }, millis(record.duration_ms)),
    el("span", { class: "why" }, ...why(record)));
}

function why(record) {
  const place = [record.route && shown(record.route), record.policy && shown(record.policy)].filter(Boolean).join(" · ");
  const by = shown(decider(record));
  if (kind(record) === "fine") return [`answered by ${by}`, place && ` · ${place}`].filter(Boolean);
  const word = kind(record) === "refused" ? "refused" : "failed";
  return [el("strong", {}, shown(record.reason || word)), ` · ${word} by ${by}`, place && ` · ${place}`].filter(Boolean);
}
