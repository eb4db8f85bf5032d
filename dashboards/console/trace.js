// One trace as a waterfall: each span a line, indented under its parent, its bar where it was in time.

import { byId, el, shown, shownLines } from "./dom.js";
import { millis } from "./format.js";

// Spans arrive in batches, each process in its own time: ask again for a while, and draw what has come.
const ASKS = [0, 300, 600, 1000, 1500, 2000, 3000];

export function setUp() {
  const dialog = byId("trace");
  dialog.addEventListener("close", () => history.replaceState(null, "", "/"));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  window.addEventListener("hashchange", open);
  open();
}

async function open() {
  const match = /^#trace=([0-9a-f]{32})$/.exec(location.hash);
  if (!match) return;
  const dialog = byId("trace");
  dialog.replaceChildren(head("Looking for the trace …", match[1]));
  if (!dialog.open) dialog.showModal();
  let spans = 0;
  for (const pause of ASKS) {
    await new Promise((done) => setTimeout(done, pause));
    const trace = await find(match[1]);
    if (location.hash !== `#trace=${match[1]}`) return;
    if (trace && trace.span_count !== spans) fill(dialog, trace);
    spans = trace?.span_count ?? spans;
  }
  if (spans === 0) missing(dialog, match[1]);
}

async function find(id) {
  const response = await fetch(`/traces/${id}`);
  return response.ok ? response.json() : null;
}

function head(title, text) {
  const close = el("button", { class: "quiet", type: "button", on: { click: () => byId("trace").close() } }, "Close");
  return el("header", {}, el("div", {}, el("h2", { id: "trace-title" }, title), el("p", {}, text)), close);
}

function missing(dialog, id) {
  dialog.replaceChildren(head("This trace is not here", id), el("p", { class: "empty" },
    "Only the latest traces are kept, and only requests that were sampled have one."));
}

function fill(dialog, trace) {
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const text = `${count(trace.services.length, "service")} · ${count(trace.span_count, "span")} · ${millis(trace.duration_ms)} · ${trace.trace_id}`;
  dialog.replaceChildren(head(shown(trace.name), text),
    el("div", { class: "body" }, legend(trace), axis(trace), ...rows(trace), linked(trace)));
}

const tone = (trace, service) => `tone-${trace.services.indexOf(service) % 8}`;

function legend(trace) {
  const entry = (service) => el("span", {}, el("i", { class: `swatch ${tone(trace, service)}` }), shown(service));
  return el("p", { class: "legend" }, ...trace.services.map(entry));
}

function axis(trace) {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => el("span", {}, millis(part * trace.duration_ms)));
  return el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, "span"), el("span", { class: "ticks" }, ...ticks), el("span"));
}

/** Spans in the order of a tree, each with its depth; one whose parent is missing stands at the top. */
function ordered(spans) {
  const known = new Set(spans.map((span) => span.span_id));
  const children = Map.groupBy ? Map.groupBy(spans, parentOf) : group(spans);
  const result = [];
  const visit = (parent, depth) => (children.get(parent) ?? []).forEach((span) => {
    if (result.length >= spans.length) return; // a circle of parents must not turn for ever
    result.push([span, depth]);
    visit(span.span_id, Math.min(depth + 1, 14));
  });
  visit("", 0);
  return result;

  function parentOf(span) {
    return known.has(span.parent_id) ? span.parent_id : "";
  }
  function group(all) {
    const groups = new Map();
    for (const span of all) groups.set(parentOf(span), [...(groups.get(parentOf(span)) ?? []), span]);
    return groups;
  }
}

const rows = (trace) => ordered(trace.spans).map(([span, depth]) => row(trace, span, depth));

function row(trace, span, depth) {
  const whole = Math.max(trace.duration_ms, 0.001);
  const fill = el("span", { class: "fill" });
  fill.style.setProperty("--from", `${((100 * span.start_ms) / whole).toFixed(3)}%`);
  fill.style.setProperty("--long", `${((100 * span.duration_ms) / whole).toFixed(3)}%`);
  const summary = el("summary", {},
    el("span", { class: "label" }, el("i", { class: "swatch" }), el("span", { class: "name" }, shown(span.name)),
      el("span", { class: "service" }, `${shown(span.service)} ${span.kind}`)),
    el("span", { class: "track" }, fill),
    el("span", { class: "took" }, millis(span.duration_ms)));
  const error = span.status.code === "error" ? "error" : "";
  const details = el("details", { class: `span ${tone(trace, span.service)} ${error}` }, summary, el("div", { class: "facts" }, facts(span)));
  details.style.setProperty("--depth", String(depth));
  return details;
}

function facts(span) {
  const pairs = [["starts after", millis(span.start_ms)], ...Object.entries(span.attributes)];
  if (span.status.message) pairs.push(["status", span.status.message]);
  for (const event of span.events) pairs.push([`event ${event.name}`, JSON.stringify(event.attributes)]);
  return el("dl", {}, ...pairs.flatMap(([name, value]) => [el("dt", {}, shown(name)), el("dd", {}, shownLines(typeof value === "object" ? JSON.stringify(value) : value))]));
}

function linked(trace) {
  const ids = new Set([...trace.spans.flatMap((span) => span.links.map((link) => link.trace_id)), ...trace.linked_from]);
  ids.delete(trace.trace_id);
  if (ids.size === 0) return null;
  const links = [...ids].flatMap((id) => [" ", el("a", { href: `#trace=${id}` }, `${id.slice(0, 8)} …`)]);
  return el("p", { class: "linked" }, "Linked with", ...links);
}
