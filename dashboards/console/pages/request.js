// One request in full: what came of it, each filter's decision with its line, and its trace down to the SQL.

import { actionButton, option } from "../components/action.js";
import { badge } from "../components/badge.js";
import { copyButton } from "../components/code.js";
import { empty, panel } from "../components/panel.js";
import { waterfall } from "../components/waterfall.js";
import { el, shown } from "../dom.js";
import { clock, millis } from "../format.js";
import { get } from "../session.js";
import { curlOf, replay } from "./replay.js";

// Spans and explanations arrive in batches, each process in its own time: ask again for a while, and draw what has come.
const ASKS = [0, 400, 800, 1500, 2500, 4000];
const ID = /^[0-9a-f]{32}$/;

/** Returns { node, show(traceId), close }. */
export function oneRequest() {
  const node = el("div", { class: "one", hidden: true });
  let turn = 0;
  const show = async (id) => {
    const mine = ++turn;
    if (!ID.test(id)) return node.replaceChildren(back(), empty("This is no trace id", "It has 32 hexadecimal digits."));
    node.replaceChildren(back(), el("p", { class: "soft", role: "status" }, "Looking for it …"));
    let drawn = "";
    for (const pause of ASKS) {
      await new Promise((done) => setTimeout(done, pause));
      const told = await get(`/requests/${id}`);
      if (mine !== turn) return;
      const now = `${told.explanations.length} ${told.trace?.span_count ?? 0}`;
      if (now !== drawn && now !== "0 0") draw(node, id, told);
      drawn = now;
    }
    if (drawn === "0 0") node.replaceChildren(back(), empty("Nothing is known of this request", "Only the latest are kept, and only those that were refused, broken or sampled."));
  };
  return { node, show, close: () => { turn += 1; } };
}

const back = () => el("p", {}, el("a", { href: "#/requests" }, "← All requests"));

function draw(node, id, { explanations, services, trace }) {
  const parts = explanations.flatMap((one) => [head(one), way(one, services)]);
  if (parts.length === 0) parts.push(el("h1", {}, shown(trace.name)));
  const times = panel("Where the time went", { note: trace ? `${trace.span_count} ${trace.span_count === 1 ? "span" : "spans"} of ${trace.services.join(", ")} · ${millis(trace.duration_ms)}` : "" });
  times.body.append(trace ? waterfall(trace) : empty("No trace", "This request was not sampled; the decisions above are kept all the same."));
  node.replaceChildren(back(), ...parts, times.node, el("p", { class: "soft" }, "Trace ", el("code", {}, shown(id)), " ", copyButton(id, "Copy the id")));
}

function head(one) {
  const fine = ["forwarded", "local_reply"].includes(one.outcome);
  const tone = fine ? "good" : one.status >= 500 ? "failing" : "refused";
  const again = actionButton("Replay …", { run: () => replay(one), command: `gatehouse call ${one.subject || "nobody"} ${one.method} '${one.target}'${option()}` });
  return el("header", { class: "one-head" },
    el("div", {},
      el("h1", {}, el("span", { class: "mono" }, shown(`${one.method} ${one.target}`)), ` as ${shown(one.subject || "nobody")} `, badge(`${one.status ?? "–"}`, tone), " ", one.reason ? badge(one.reason, tone) : null),
      el("p", { class: "soft" }, shown(`${clock(one.time)}, from ${one.client}, ${one.worker}, ${millis(one.duration_ms)}`))),
    el("div", { class: "hero-actions" }, copyButton(() => curlOf(one), "Copy as curl"), again));
}

/** The way through the gateway: route, filters in their order, and who answered. */
function way(one, services) {
  const card = panel("Who decided what", { note: verdictOf(one, services) });
  const steps = (one.steps ?? []).map((step, index) => stepRow(index + 1, step));
  const route = one.route ? step("route", el("strong", {}, shown(one.route.name)), shown(one.route.matched ?? ""), one.route.where) : null;
  card.body.append(el("ol", { class: "steps" }, route, ...steps, forwarded(one), ...services.map(refusal)));
  return card.node;
}

export function step(kind, name, text, where, mark = null) {
  return el("li", { class: `step ${kind}` }, el("span", { class: "mark" }, mark ?? ""), el("span", { class: "what" }, name), el("span", { class: "told" }, text), where ? lineLink(where) : el("span"));
}

export function stepRow(number, { filter, verdict, detail, where }) {
  const tones = { pass: "good", deny: "failing", shadow_deny: "refused" };
  const name = el("span", {}, el("strong", {}, shown(filter)), " ", badge(verdict.replace("_", " "), tones[verdict] ?? "accent"));
  return step(verdict, name, shown(detail), where, String(number));
}

function forwarded({ cluster }) {
  if (!cluster) return null;
  const tries = cluster.attempts === 1 ? "" : `, ${cluster.attempts} tries`;
  const text = `${cluster.endpoint ?? "no endpoint"}${tries}, ${cluster.status ?? "no answer"} after ${millis(cluster.duration_ms)}${cluster.planted ? `; planted: ${cluster.planted}` : ""}`;
  return step("cluster", el("strong", {}, `→ ${shown(cluster.name)}`), shown(text), null);
}

function refusal({ service, operation, status, reason }) {
  return step("deny", el("strong", {}, shown(service)), shown(`${operation}: refused with ${status}${reason ? `, reason ${reason}` : ""}`), null, "✕");
}

const OUTCOMES = { deny: "refused", no_route: "had no route and refused", unreadable: "could not read it and refused", local_reply: "answered by itself", failed: "answered for the service", cut_off: "broke the answer off" };

function verdictOf({ outcome, decided_by: by, status, policy }, services) {
  if (outcome === "forwarded") return shown(`${by} answered ${status}`);
  if (outcome === "service_refused") return shown(`SERVICE ${services[0]?.service ?? by} refused with ${status}`);
  return shown(`GATEWAY ${OUTCOMES[outcome] ?? outcome} with ${status ?? "nothing"}${policy ? `, by ${policy}` : ""}`);
}

/** From a decision to the line of the configuration that made it. */
export function lineLink(where) {
  const line = /:(\d+)$/.exec(where)?.[1];
  const mesh = where.startsWith("mesh");
  return line && !mesh ? el("a", { class: "mono where", href: `#/routes/config?line=${line}` }, shown(where)) : el("span", { class: "mono where" }, shown(where));
}
