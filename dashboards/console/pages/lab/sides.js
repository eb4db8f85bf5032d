// Both sides beside each other: the same attack without the control and with it.

import { el, shown } from "../../dom.js";
import { empty, panel } from "../../components/panel.js";

export function sides() {
  const card = panel("Side by side", { className: "sides" });
  show(null, null);

  function show(without, defended) {
    card.note(without && defended ? "the same attack, twice" : "");
    if (!without && !defended) card.body.replaceChildren(empty("Nothing to compare yet", "Attack it while it is broken, and again when it is fixed; or press “Compare both sides”."));
    else card.body.replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Both sides" }, grid(without, defended)));
  }
  return { node: card.node, show };
}

/** The table itself; a side that has not been run is a dash. */
export function grid(without, defended) {
  const rows = [...told(without, defended)];
  return el("table", { class: "both" },
    el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, "Without the control"), el("th", { scope: "col" }, "With it"))),
    el("tbody", {}, ...rows.map(([name, one, other]) => el("tr", {}, el("th", { scope: "row" }, shown(name)), cell(one), cell(other)))));
}

function* told(without, defended) {
  const both = [without, defended].map((run) => run?.outcome ?? null);
  yield ["verdict", ...both.map((one) => (one ? verdict(one) : "–"))];
  yield ["the attacker got", ...both.map((one) => one?.got ?? "–")];
  const names = new Set(both.flatMap((one) => Object.keys(one?.measures ?? {})));
  for (const name of names) yield [name, ...both.map((one) => one?.measures[name] ?? "–")];
  const pair = telling(without, defended);
  if (pair.some(Boolean)) {
    yield ["the request", ...pair.map((one) => (one ? el("code", {}, shown(one.request)) : "–"))];
    yield ["answer", ...pair.map((one) => (one ? answered(one) : "–"))];
    yield ["decided by", ...pair.map((one) => (one ? decider(one) : "–"))];
  }
  yield ["honest people", ...both.map((one) => (one ? (one.benign ? "served" : "NOT served") : "–"))];
}

function verdict({ breached }) {
  return el("strong", { class: breached ? "word breached" : "word stopped" }, breached ? "BREACHED" : "STOPPED");
}

const cell = (content) => el("td", {}, typeof content === "string" ? shown(content) : content);

/** The first request that was answered otherwise; else the last that was refused. */
function telling(without, defended) {
  const [one, other] = [without?.attack ?? [], defended?.attack ?? []];
  for (const first of one) {
    const second = other.find((each) => each.request === first.request && each.who === first.who);
    if (second && (second.status !== first.status || second.reason !== first.reason)) return [first, second];
  }
  return [last(one), last(other)];
}

const last = (all) => all.findLast((one) => one.reason) ?? all.at(-1) ?? null;

/** Status and reason. */
export const answered = (one) => shown(`${one.status || "no answer"} ${one.status ? one.reason : ""}`.trim());

/** The line that decided, or who else. */
export function decider(one) {
  if (one.by) return shown(one.by);
  if (one.policy) return `gateway, ${shown(one.policy)}`;
  if (one.local) return "the gateway";
  return one.reason ? "the service" : "nobody";
}
