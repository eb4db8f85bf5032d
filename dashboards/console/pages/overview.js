// The first page: what is going on, in one sentence, one picture and four numbers, and buttons that let something happen.

import { actionButton, option } from "../components/action.js";
import { chart } from "../components/chart.js";
import { code } from "../components/code.js";
import { trafficMap } from "../components/map.js";
import { empty, panel } from "../components/panel.js";
import { requestList } from "../components/request-list.js";
import { table } from "../components/table.js";
import { el, setText, shown } from "../dom.js";
import { millis, percent, rate } from "../format.js";
import { act } from "../session.js";
import { alertLine } from "./overview-alerts.js";
import { CHARTS } from "./overview-charts.js";

const SHOWN = 14;

export function open(root) {
  const sentence = el("h1", { class: "sentence" }, "Waiting for the first numbers …");
  const latency = el("p", { class: "soft" });
  const alerts = alertLine();
  const traffic = trafficButton();
  const hero = el("section", { class: "hero", "aria-label": "Now" },
    el("div", {}, sentence, latency, alerts.node),
    el("div", { class: "hero-actions" }, traffic.node, el("a", { class: "button", href: "#/lab?do=attack" }, "Attack"), el("a", { class: "button", href: "#/lab?do=break" }, "Break")));
  const map = mapPanel();
  const latest = latestPanel();
  const charts = CHARTS.map(({ name, title, ...about }) => [name, chart(title, about)]);
  root.append(hero, el("div", { class: "stage" }, map.node, latest.node), el("div", { class: "charts" }, ...charts.map(([, one]) => one.node)));
  return {
    live(message) {
      say(sentence, latency, message.total);
      alerts.show(message.alerts);
      if (!message.supervisor_error) traffic.show(message.traffic);
      map.show(message);
      latest.show(message);
      for (const [name, one] of charts) one.show(message.course[name]);
    },
  };
}

function say(sentence, latency, total) {
  const words = total.rate
    ? [`${rate(total.rate)} req/s, `, el("span", { class: total.refused ? "refused" : "" }, `${percent(total.refused, total.rate)} refused on purpose`), ", ",
       el("span", { class: total.failing ? "failing" : "" }, `${percent(total.failing, total.rate)} failing`)]
    : ["It is quiet: no requests in the last ten seconds"];
  if (sentence.textContent !== words.map((word) => word.textContent ?? word).join("")) sentence.replaceChildren(...words);
  setText(latency, total.p50_ms === null ? "" : `Half of the answers took less than ${millis(total.p50_ms)}, 95 of 100 less than ${millis(total.p95_ms)}.`);
  document.title = total.rate ? `${rate(total.rate)} req/s · Gatehouse` : "Gatehouse";
}

function trafficButton() {
  const start = actionButton("Start traffic", { run: () => act("/traffic", { action: "start" }), get command() { return `gatehouse traffic start${option()}`; }, className: "main", done: "Traffic starts: gentle, realistic, a few percent of it refused on purpose." });
  const stop = actionButton("Stop traffic", { run: () => act("/traffic", { action: "stop" }), get command() { return `gatehouse traffic stop${option()}`; }, done: "Traffic stops." });
  const node = el("span", {}, start, stop);
  const show = (state) => {
    const running = ["running", "starting", "backoff"].includes(state);
    node.hidden = state === "absent";
    start.hidden = running;
    stop.hidden = !running;
  };
  return { node, show };
}

function mapPanel() {
  const map = trafficMap();
  const edges = table("Who calls what", EDGES, (edge) => `${edge.source} ${edge.destination}`);
  edges.node.hidden = true;
  const swap = el("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "As a table");
  swap.addEventListener("click", () => {
    edges.node.hidden = !edges.node.hidden;
    map.node.hidden = !map.node.hidden;
    swap.setAttribute("aria-pressed", String(map.node.hidden));
  });
  const card = panel("Who calls what", { tools: [swap], className: "map-card" });
  const legend = el("p", { class: "legend soft" });
  card.body.append(map.node, edges.node, legend);
  const show = (message) => {
    map.show(message.map);
    edges.show(message.map.edges, ["No calls yet", "Press Start traffic above."]);
    const locks = message.map.mesh ? "Closed lock: all of it encrypted." : "No mesh, no locks: nothing between services is encrypted.";
    setText(legend, `Real traffic: requests per second, and how fast 95 of 100 of them were answered. ${locks}`);
  };
  return { node: card.node, show };
}

const EDGES = [
  { title: "From", cell: (edge) => shown(edge.source) },
  { title: "To", cell: (edge) => shown(edge.destination) },
  { title: "req/s", num: true, cell: (edge) => rate(edge.rate) },
  { title: "refused", num: true, cell: (edge) => percent(edge.refused, edge.rate), tone: (edge) => (edge.refused ? "refused" : "none") },
  { title: "failing", num: true, cell: (edge) => percent(edge.failing, edge.rate), tone: (edge) => (edge.failing ? "failing" : "none") },
  { title: "p95", num: true, cell: (edge) => millis(edge.p95_ms) },
  { title: "encrypted", num: true, cell: (edge) => (edge.encrypted === null ? "–" : `${Math.round(edge.encrypted * 100)} %`) },
];

function latestPanel() {
  const more = el("a", { class: "button quiet", href: "#/requests" }, "All of them");
  const list = requestList("Latest requests");
  const card = panel("Latest requests", { tools: [more], className: "latest" });
  card.body.append(list.node);
  return { node: card.node, show: (message) => list.show(message.requests.slice(0, SHOWN), ["No requests yet", ...start(message)]) };
}

/** What to do when nothing has happened yet. */
function start({ config, traffic }) {
  const listener = config.listeners[0];
  const host = listener?.address.includes(":") ? `[${listener.address}]` : listener?.address;
  const send = listener ? code(`curl -i http://${host}:${listener.port}/`) : "";
  return [traffic === "absent" ? "Send one:" : "Press Start traffic above, or send one:", send];
}
