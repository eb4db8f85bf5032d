// The console's first page: listens to /live, one message a second, and draws it.

import { byId, el, keyed, setText, shown, shownLines } from "./dom.js";
import { clock, millis, percent, rate } from "./format.js";
import * as requests from "./requests.js";
import { act, mayChange, takeToken } from "./session.js";
import { draw, sparkline } from "./spark.js";
import * as tables from "./tables.js";
import * as trace from "./trace.js";
import { setUpTheme } from "./theme.js";

const chart = sparkline("");
let allowed = false;
let running = false;
let option = "";

function render(message) {
  setText(byId("link"), "live");
  byId("link").dataset.state = "live";
  sentence(message);
  trouble(message.config);
  tables.routes(message);
  tables.services(message);
  tables.processes(message);
  requests.requests(message, start(message));
  configuration(message);
  tries(message);
  traffic(message.traffic);
  option = message.config.state_dir_option;
}

function sentence({ total }) {
  const refused = percent(total.refused, total.rate);
  const failing = percent(total.failing, total.rate);
  const words = total.rate
    ? [`${rate(total.rate)} req/s, `, el("span", { class: "refused" }, `${refused} refused on purpose`), ", ",
       el("span", { class: total.failing ? "failing" : "" }, `${failing} failing`)]
    : ["It is quiet: no requests in the last ten seconds"];
  const heading = byId("sentence");
  if (heading.textContent !== words.map((word) => word.textContent ?? word).join("")) heading.replaceChildren(...words);
  setText(byId("latency"), total.p50_ms === null ? "" : `Half of the answers took less than ${millis(total.p50_ms)}, 95 of 100 less than ${millis(total.p95_ms)}.`);
  document.title = total.rate ? `${rate(total.rate)} req/s · Gatehouse` : "Gatehouse";
  draw(chart, total.series);
}

function trouble(config) {
  const section = byId("trouble");
  const failed = ["rejected", "rolled_back"].includes(config.last?.result);
  section.hidden = !failed;
  if (!failed || section.dataset.time === config.last.time) return;
  section.dataset.time = config.last.time;
  const who = config.last.result === "rejected" ? "The changed configuration was refused" : "A worker refused the changed configuration";
  section.replaceChildren(el("strong", {}, `${who}; version ${config.version} serves on.`), el("pre", {}, shownLines(config.last.errors.join("\n"))));
}

/** What to do when nothing has happened yet. */
function start(message) {
  const listener = message.config.listeners[0];
  const address = listener ? `http://${listener.address.includes(":") ? `[${listener.address}]` : listener.address}:${listener.port}/` : "";
  const line = el("span", {}, "Send one: ", el("code", {}, `curl -i ${address}`));
  if (message.traffic !== "absent") line.append(", or start the traffic with ", allowed ? "the button above." : el("code", {}, `gatehouse traffic start${message.config.state_dir_option}`));
  return line;
}

function configuration({ config, workers }) {
  setText(byId("version"), config.version === null ? "" : `configuration version ${config.version}`);
  setText(byId("config-note"), config.ready ? "served by every worker" : "not every worker serves it yet");
  const last = config.last;
  const outcome = { accepted: "accepted", unchanged: "unchanged", rejected: "refused; the last good one serves on", rolled_back: "taken back; a worker refused it" };
  const pairs = [
    ["File", el("span", { class: "mono" }, shown(config.file))],
    ["Version", String(config.version ?? "–")],
    ["Last reload", last ? `${clock(last.time)}: ${outcome[last.result]} (${millis(last.duration_ms)})` : "–"],
    ["Listeners", config.listeners.map((one) => `${one.name} ${one.address}:${one.port}`).join(", ")],
    ...workers.map((worker) => [worker.name, `version ${worker.version ?? "–"}, PID ${worker.pid}`]),
    ...(last?.notes ?? []).map((note) => ["Note", note]),
  ];
  const list = el("dl", {}, ...pairs.flatMap(([name, value]) => [el("dt", {}, shown(name)), el("dd", {}, typeof value === "string" ? shown(value) : value)]));
  if (byId("config").textContent !== list.textContent) byId("config").replaceChildren(list);
}

const TRIES = [
  ["A stranger is refused, and told why", "call nobody GET /orders/1001"],
  ["Ask first: which filter would decide what?", "explain DELETE /orders/1001 --as bob"],
  ["Alice reads an order; its trace leads to the SQL", "call alice GET /orders/1001"],
];

/** Commands for the shop's own instance, to be copied. */
function tries(message) {
  byId("tries").hidden = message.traffic === "absent";
  keyed(byId("try-list"), TRIES, ([, words]) => words, ([text, words]) => {
    const line = `gatehouse ${words}${message.config.state_dir_option}`;
    const copy = el("button", { class: "quiet", type: "button", "aria-label": `Copy: ${line}` }, "Copy");
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(line);
      setText(copy, "Copied");
      setTimeout(() => setText(copy, "Copy"), 1500);
    });
    return el("li", {}, el("p", {}, text), el("div", {}, el("code", {}, line), copy));
  });
}

function traffic(state) {
  const button = byId("traffic");
  button.hidden = state === "absent";
  running = ["running", "starting", "backoff"].includes(state);
  button.dataset.running = String(running);
  setText(button, running ? "Stop traffic" : "Start traffic");
}

async function pressTraffic() {
  const action = running ? "stop" : "start";
  const hint = byId("hint");
  if (!allowed) {
    hint.replaceChildren("This page may only look. Run ", el("code", {}, `gatehouse traffic ${action}${option}`), ", or open the console by the link that ", el("code", {}, "gatehouse up"), " printed.");
    return;
  }
  byId("traffic").disabled = true;
  hint.replaceChildren(running ? "Stopping …" : "Starting …");
  try {
    await act("/traffic", { action });
    hint.replaceChildren();
  } catch (error) {
    hint.replaceChildren(shown(error.message));
  } finally {
    byId("traffic").disabled = false;
  }
}

function listen() {
  const events = new EventSource("/live");
  events.onmessage = (event) => render(JSON.parse(event.data));
  events.onerror = () => {
    byId("link").dataset.state = "lost";
    setText(byId("link"), "connection lost, trying again");
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

takeToken();
setUpTheme();
tables.setUp();
requests.setUp();
trace.setUp();
byId("hero-chart").append(chart);
byId("traffic").addEventListener("click", pressTraffic);
mayChange().then((answer) => { allowed = answer; }, () => { allowed = false; });
listen();
