// Every route with its filters and its numbers; one of them in full.

import { badge } from "../components/badge.js";
import { openDialog } from "../components/dialog.js";
import { code } from "../components/code.js";
import { failed, panel } from "../components/panel.js";
import { draw, sparkline } from "../components/spark.js";
import { table } from "../components/table.js";
import { el, shown } from "../dom.js";
import { millis, percent, rate } from "../format.js";
import { get } from "../session.js";
import { lineLink } from "./request.js";

export function routesPart() {
  const routes = table("Routes, with their numbers", COLUMNS, (route) => route.name);
  const card = panel("Routes");
  card.body.append(routes.node);
  return {
    node: card.node,
    live(message) {
      const hidden = message.routes_in_all - message.routes.length;
      card.note(hidden > 0 ? `the busiest ${message.routes.length} of ${message.routes_in_all}` : `${message.routes_in_all} in the file's order; the first that matches best decides`);
      routes.show(message.routes, ["No routes", "The configuration has none: see the part Configuration."]);
    },
  };
}

const COLUMNS = [
  { title: "Route", cell: (route) => el("div", {}, name(route), el("small", { class: "mono soft block" }, shown(route.match))) , fill() {} },
  { title: "Last minute", wide: true, cell: () => sparkline("spark"), fill: (svg, route) => draw(svg, route.series) },
  { title: "req/s", num: true, cell: (route) => rate(route.rate), tone: quiet },
  { title: "refused", num: true, help: "Answers 4xx: wrong or missing token, no permission, over a limit, no such thing", cell: (route) => (route.rate ? percent(route.refused, route.rate) : "–"), tone: (route) => (route.refused ? "refused" : "none") },
  { title: "failing", num: true, help: "Answers 5xx: something is broken", cell: (route) => (route.rate ? percent(route.failing, route.rate) : "–"), tone: (route) => (route.failing ? "failing" : "none") },
  { title: "p50", num: true, help: "Half of the answers of the last minute were faster", cell: (route) => millis(route.p50_ms), tone: quiet },
  { title: "p95", num: true, help: "95 of 100 answers of the last minute were faster", cell: (route) => millis(route.p95_ms), tone: quiet },
  { title: "Goes to", cell: (route) => shown(route.clusters.join(", ")) },
];

function quiet(route) {
  return route.rate ? "" : "none";
}

function name(route) {
  if (!route.name) return el("span", {}, "(no route matched)");
  const button = el("button", { class: "plain", type: "button", on: { click: () => inFull(route.name) } }, shown(route.name));
  return el("span", {}, button, " ", route.public ? badge("public", "", "No token is wanted here: declared so in the configuration") : null);
}

/** What is configured for it, and the filters that each of its requests passes. */
async function inFull(name) {
  const opened = openDialog(name, [el("p", { class: "soft", role: "status" }, "Reading …")], { note: "As it is in force" });
  try {
    const [{ routes }, { spec }] = await Promise.all([get("/routes"), get("/config")]);
    const told = routes.find((one) => one.name === name);
    const written = spec.routes.find((one) => one.name === name);
    opened.body.replaceChildren(...(told ? full(told, written) : [el("p", {}, "It is not configured any more.")]));
  } catch (error) {
    opened.body.replaceChildren(failed("This cannot be shown", error.message));
  }
}

function full(route, written) {
  const facts = [["Matches", route.matches.join(", ")], ["Listeners", route.listeners.join(", ")], ["Lifecycle", route.lifecycle],
    ["Goes to", route.clusters.map((one) => `${one.name} (weight ${one.weight})`).join(", ")]];
  if (route.canary) facts.push(["Canary", `${route.canary.name}, ${route.canary.weight} %`]);
  const filters = route.filters.map((one, index) => el("li", { class: "step" }, el("span", { class: "mark" }, String(index + 1)), el("strong", {}, shown(one.type)), el("span"), lineLink(one.where)));
  return [
    el("dl", { class: "facts" }, ...facts.flatMap(([title, value]) => [el("dt", {}, title), el("dd", {}, shown(value))]), el("dt", {}, "Written in"), el("dd", {}, lineLink(route.where))),
    el("h3", {}, "Filters, in their order"), el("ol", { class: "steps" }, ...filters),
    el("h3", {}, "The effective configuration"), code(JSON.stringify(written, null, 2), { block: true }),
  ];
}
