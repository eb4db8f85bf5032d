// The tables of routes, services and processes.

import { byId, el, keyed, setText, shown } from "./dom.js";
import { duration, memory, millis, percent, rate } from "./format.js";
import { draw, sparkline } from "./spark.js";

let quietToo = false;
let lastMessage = null;

export function setUp() {
  byId("quiet").addEventListener("click", () => {
    quietToo = !quietToo;
    byId("quiet").setAttribute("aria-pressed", String(quietToo));
    if (lastMessage) routes(lastMessage);
  });
}

/** Routes in the file's order; those without a request in the last minute only when asked for, or when all are. */
export function routes(message) {
  lastMessage = message;
  const busy = message.routes.filter((route) => route.series.some((value) => value > 0));
  const quiet = message.routes.length - busy.length;
  const chosen = quietToo || busy.length === 0 ? message.routes : busy;
  keyed(byId("routes").tBodies[0], chosen, (route) => route.name, (route) => trafficRow(routeHead(route)), fillTraffic);
  const hidden = message.routes_in_all - message.routes.length;
  setText(byId("routes-note"), hidden > 0 ? `the busiest of ${message.routes_in_all}` : `${message.routes_in_all} configured`);
  setText(byId("quiet"), `Quiet ones too (${quiet})`);
  byId("quiet").hidden = quiet === 0 || busy.length === 0;
}

function routeHead(route) {
  const label = route.name || "(no route matched)";
  return el("th", { scope: "row" }, shown(label), route.public ? el("span", { class: "badge" }, "public") : null,
    el("small", { class: "mono", title: shown(route.match) }, shown(route.match)));
}

/** Services, with the state of their processes. */
export function services(message) {
  const table = byId("services");
  if (message.services.length === 0) return empty(table, "No services of its own", "This gateway stands in front of your services.");
  keyed(table.tBodies[0], message.services, (service) => service.name, (service) => trafficRow(serviceHead(service)), (row, service) => {
    const state = row.querySelector(".state");
    state.dataset.state = service.state;
    state.title = service.state;
    setText(state.querySelector("i"), service.state === "running" ? "" : ` (${shown(service.state)})`);
    setText(row.querySelector(".copies"), copies(service));
    fillTraffic(row, service);
  });
}

// `3 × v1, 1 × v2 (10 %)`: what runs of it; nothing for one copy of one version.
function copies(service) {
  const all = service.copies ?? [];
  if (all.length < 2) return "";
  const versions = [...new Set(all.map((copy) => copy.version))];
  const share = (version) => (service.canary?.version === version ? ` (${service.canary.weight} %)` : "");
  return versions.map((version) => `${all.filter((copy) => copy.version === version).length} × ${shown(version)}${share(version)}`).join(", ");
}

function serviceHead(service) {
  const name = el("span", { class: "state" }, shown(service.name), el("i"));
  return el("th", { scope: "row" }, name, el("small", { class: "copies" }), el("small", { title: shown(service.about) }, shown(service.about)));
}

function trafficRow(head) {
  const cells = Array.from({ length: 5 }, () => el("td", { class: "num" }));
  return el("tr", {}, head, el("td", { class: "wide" }, sparkline("spark")), ...cells);
}

function fillTraffic(row, item) {
  const [, , speed, refused, failing, half, most] = row.cells;
  draw(row.cells[1].firstElementChild, item.series);
  setText(speed, rate(item.rate));
  setText(refused, item.rate ? percent(item.refused, item.rate) : "–");
  setText(failing, item.rate ? percent(item.failing, item.rate) : "–");
  setText(half, millis(item.p50_ms));
  setText(most, millis(item.p95_ms));
  refused.dataset.tone = item.refused ? "refused" : "none";
  failing.dataset.tone = item.failing ? "failing" : "none";
  for (const cell of [speed, half, most]) cell.dataset.tone = item.rate ? "" : "none";
}

/** Processes as the supervisor sees them. */
export function processes(message) {
  const table = byId("processes");
  const all = message.processes;
  if (all.length === 0) {
    setText(byId("processes-note"), "");
    return empty(table, "The supervisor does not answer", shown(message.supervisor_error ?? "It is starting.") );
  }
  const total = all.reduce((sum, one) => sum + (one.pss_bytes ?? one.rss_bytes ?? 0), 0);
  setText(byId("processes-note"), `${all.filter((one) => one.state === "running").length} running, ${memory(total)} together`);
  keyed(table.tBodies[0], all, (one) => one.name, processRow, fillProcess);
}

function processRow(process) {
  const cells = Array.from({ length: 5 }, () => el("td", { class: "num" }));
  return el("tr", {}, el("th", { scope: "row" }, shown(process.name)), el("td", {}, el("span", { class: "state" })), ...cells);
}

function fillProcess(row, process) {
  const [, state, pid, uptime, size, restarts, port] = row.cells;
  state.firstElementChild.dataset.state = process.state;
  setText(state.firstElementChild, shown(process.state));
  setText(pid, shown(process.pid ?? "–"));
  setText(uptime, process.state === "running" ? duration(process.uptime_s) : "–");
  setText(size, memory(process.pss_bytes ?? process.rss_bytes));
  setText(restarts, String(process.restarts ?? 0));
  setText(port, shown(process.port ?? "–"));
  restarts.dataset.tone = process.restarts ? "refused" : "none";
}

function empty(table, title, text) {
  const body = table.tBodies[0];
  const row = el("tr", { "data-key": "" }, el("td", { class: "empty", colspan: table.tHead.rows[0].cells.length }, el("strong", {}, title), text));
  body.replaceChildren(row);
}
