// Limits as they stand: how full each bucket is, the emptiest first.

import { badge } from "../components/badge.js";
import { panel } from "../components/panel.js";
import { table } from "../components/table.js";
import { el, shown } from "../dom.js";
import { polled } from "../components/polled.js";
import { lineLink } from "./request.js";

export function limitsPart() {
  const buckets = table("Buckets of the limits in use", COLUMNS, (one) => `${one.where} ${one.worker ?? ""} ${one.key}`);
  const card = panel("Limits", { note: "the fullest of each; a worker counts by itself unless a store is named" });
  card.body.append(buckets.node);
  const poll = polled("/limits", ({ limits, more }) => {
    const rows = limits.flatMap((limit) => limit.counts.flatMap(({ worker, top }) => top.map((key) => ({ ...limit, about: limit.key, worker, ...key }))));
    rows.sort((a, b) => a.left / a.size - b.left / b.size);
    buckets.show(rows.slice(0, 100), ["No limit has been used yet", "Press Start traffic on the overview, or try to log in ten times."]);
    if (more) card.note(`${more} more limits are not shown`);
  }, card.body);
  return { node: card.node, live: poll, at: poll };
}

const COLUMNS = [
  { title: "Of", cell: (one) => el("span", {}, shown(one.key), " ", el("small", { class: "soft" }, shown(one.about.toLowerCase()))) },
  { title: "Left", wide: true, cell: bar, fill: fillBar },
  { title: "", num: true, cell: (one) => `${Math.floor(one.left)} of ${one.size}`, tone: (one) => (one.left < 1 ? "failing" : one.left < one.size / 4 ? "refused" : "") },
  { title: "Limit", cell: (one) => el("span", {}, shown(`${one.type} ${one.name}: ${one.terms}`), one.enforced ? null : badge("only watched", "refused")) },
  { title: "Route", cell: (one) => shown(one.route || "all") },
  { title: "Counted by", cell: (one) => shown(one.store ? `store ${one.store}` : one.worker ?? "") },
  { title: "Line", cell: (one) => lineLink(one.where) },
];

function bar(one) {
  const meter = el("meter", { min: 0, max: one.size, value: one.left, low: one.size / 4, "aria-label": "left" });
  return meter;
}

function fillBar(meter, one) {
  meter.max = one.size;
  meter.value = one.left;
}
