// One trace as a waterfall: each span a line, indented under its parent, its bar where it was in time.

import { el, shown, shownLines } from "../dom.js";
import { millis } from "../format.js";

/** The spans of a trace document (GET /traces/ID). */
export function waterfall(trace) {
  return el("div", { class: "waterfall" }, legend(trace), axis(trace), ...ordered(trace.spans).map(([span, depth]) => row(trace, span, depth)), linked(trace));
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
  const children = new Map();
  for (const span of spans) {
    const parent = known.has(span.parent_id) ? span.parent_id : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const result = [];
  const visit = (parent, depth) => (children.get(parent) ?? []).forEach((span) => {
    if (result.length >= spans.length) return; // a circle of parents must not turn for ever
    result.push([span, depth]);
    visit(span.span_id, Math.min(depth + 1, 14));
  });
  visit("", 0);
  return result;
}

function row(trace, span, depth) {
  const whole = Math.max(trace.duration_ms, 0.001);
  const fill = el("span", { class: "fill" });
  fill.style.setProperty("--from", `${((100 * span.start_ms) / whole).toFixed(3)}%`);
  fill.style.setProperty("--long", `${((100 * span.duration_ms) / whole).toFixed(3)}%`);
  const summary = el("summary", {},
    el("span", { class: "label" }, el("i", { class: "swatch" }), el("span", { class: "name" }, shown(nameOf(span))), el("span", { class: "soft service" }, shown(span.service))),
    el("span", { class: "track" }, fill, el("span", { class: "what" }, shown(whatOf(span)))),
    el("span", { class: "took" }, millis(span.duration_ms)));
  const kind = span.status.code === "error" ? "error" : "";
  const node = el("details", { class: `span ${tone(trace, span.service)} ${kind}` }, summary, el("div", { class: "details" }, sql(span), facts(span)));
  node.style.setProperty("--depth", String(depth));
  return node;
}

/** A try of the gateway is called one; everything else has its own name. */
function nameOf(span) {
  const again = span.attributes["http.request.resend_count"];
  if (again === undefined || span.kind !== "client") return span.name;
  return `try ${again + 1}: ${span.attributes["gateway.cluster"] ?? span.name} ${span.attributes["server.address"]}:${span.attributes["server.port"]}`;
}

/** What came of it, in a few words beside the bar. */
function whatOf({ attributes, status }) {
  const answer = attributes["http.response.status_code"] ?? "";
  const reason = attributes["gateway.reason"] ?? attributes["problem.reason"] ?? attributes["error.type"] ?? (status.code === "error" ? "error" : "");
  return attributes["db.query.text"] ?? [answer, reason].filter(Boolean).join(" ");
}

function sql({ attributes }) {
  const text = attributes["db.query.text"];
  return text ? el("pre", { class: "sql", tabindex: "0" }, shownLines(text.split("; ").join(";\n"))) : null;
}

function facts(span) {
  const pairs = [["starts after", millis(span.start_ms)], ...Object.entries(span.attributes).filter(([name]) => name !== "db.query.text")];
  if (span.status.message) pairs.push(["status", span.status.message]);
  for (const event of span.events) pairs.push([`event ${event.name}`, JSON.stringify(event.attributes)]);
  return el("dl", {}, ...pairs.flatMap(([name, value]) => [el("dt", {}, shown(name)), el("dd", {}, shownLines(typeof value === "object" ? JSON.stringify(value) : value))]));
}

function linked(trace) {
  const ids = new Set([...trace.spans.flatMap((span) => span.links.map((link) => link.trace_id)), ...trace.linked_from]);
  ids.delete(trace.trace_id);
  if (ids.size === 0) return null;
  const links = [...ids].flatMap((id) => [" ", el("a", { href: `#/requests/${encodeURIComponent(id)}` }, shown(`${id.slice(0, 8)} …`))]);
  return el("p", { class: "linked" }, "Linked with", ...links);
}
