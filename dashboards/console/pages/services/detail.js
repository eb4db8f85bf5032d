// One process: its facts, what can be done to it, and its log.

import { actionButton, option } from "../../components/action.js";
import { badge } from "../../components/badge.js";
import { empty, panel } from "../../components/panel.js";
import { el, setText, shown } from "../../dom.js";
import { duration, memory } from "../../format.js";
import { latest } from "../../live.js";
import { act } from "../../session.js";
import { KIND } from "./list.js";
import { logView } from "./log.js";
import { versions } from "./versions.js";

const OWN = new Set(["control", "supervisor", "guard"]);

export function detail() {
  const node = el("div", { class: "column detail" });
  let open = null;

  function choose(name) {
    open?.close();
    open = name ? process(name) : null;
    node.replaceChildren(...(open ? open.nodes : [nothing()]));
    if (open && latest()) open.live(latest());
  }
  return { node, choose, live: (message) => open?.live(message), close: () => open?.close() };
}

function nothing() {
  const card = panel("No process chosen");
  card.body.append(empty("Choose a process at the left", "Its log, and buttons to stop, restart, scale or deploy it, appear here."));
  return card.node;
}

function process(name) {
  const card = panel(shown(name), { className: "process" });
  const about = el("p", { class: "soft about" });
  const facts = el("dl", { class: "facts" });
  const tools = el("div", { class: "tools" });
  const change = versions(name);
  const log = logView(name);
  let drawn = "";
  card.body.append(el("div", { class: "padded" }, about, facts, tools, change.node));

  function live(message) {
    const one = message.processes.find((each) => each.name === name);
    const service = message.services.find((each) => each.name === (one?.service ?? name));
    card.note(one ? `${KIND[one.kind] ?? shown(one.kind)}, ${one.state}` : "not running");
    setText(about, shown(service?.about ?? ""));
    about.hidden = !service?.about;
    facts.replaceChildren(...pairs(one, service));
    const now = one?.state === "stopped" || !one ? "stopped" : "running";
    if (drawn !== now) tools.replaceChildren(...buttons(name, now));
    drawn = now;
    change.live(service ?? null);
  }
  return { nodes: [card.node, log.node], live, close: log.close };
}

function pairs(one, service) {
  if (!one) return [];
  const told = [
    ["Process id", shown(one.pid ?? "–")],
    ["Port", shown(one.port ?? "–")],
    ["Up for", one.state === "running" ? duration(one.uptime_s) : "–"],
    ["Memory", memory(one.pss_bytes ?? one.rss_bytes)],
    ["CPU", one.cpu_percent === null || one.cpu_percent === undefined ? "–" : `${one.cpu_percent.toFixed(1)} % of a core`],
    ["Restarts", `${one.restarts ?? 0}${one.last_exit ? `, the last time: ${shown(one.last_exit)}` : ""}`],
    ["Isolation", one.isolation === "none" ? "not meant to be confined" : shown(one.isolation ?? "unknown")],
  ];
  if (service?.copies?.length > 1) told.push(["Copies", el("span", { class: "badges" }, ...service.copies.map((copy) => badge(`${copy.name} ${copy.version}`, copy.canary ? "accent" : "")))]);
  return told.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
}

function buttons(name, now) {
  if (OWN.has(name)) return [el("p", { class: "soft" }, "The console lives by this process; it is changed by the command line only.")];
  const button = (label, action, more = {}) => actionButton(label, {
    run: () => act(`/services/${encodeURIComponent(name)}/${action}`),
    command: `gatehouse ${action} ${name}${option()}`,
    ...more,
  });
  if (now === "stopped") return [button("Start", "start", { className: "main", done: `${name} runs.` })];
  return [
    button("Restart", "restart", { done: `${name} was restarted; the others did not notice.` }),
    button("Stop", "stop", { done: `${name} is stopped until it is started again.` }),
    button("Kill", "crash", { className: "danger", command: null, help: "SIGKILL, as if it had crashed: watch it come back", done: `${name} was killed. It comes back by itself: watch “Restarts”.` }),
  ];
}
