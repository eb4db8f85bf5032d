// The table of processes: services first, then the gateway, then what both stand on.

import { state, setState } from "../../components/badge.js";
import { panel } from "../../components/panel.js";
import { draw, sparkline } from "../../components/spark.js";
import { table } from "../../components/table.js";
import { el, setText, shown } from "../../dom.js";
import { duration, memory } from "../../format.js";

const KINDS = ["service", "worker", "sidecar"];
const POINTS = 60;

/** What a process is, for people. */
export const KIND = { service: "service", worker: "gateway worker", sidecar: "sidecar", control: "control process", redis: "Redis",
  authority: "certificate authority", supervisor: "supervisor" };

export function processes() {
  const card = panel("Processes", { note: "choose one to see its log and what can be done to it" });
  const courses = new Map();
  let marked = null;
  const columns = [
    { title: "Process", cell: head, fill: fillHead },
    { title: "State", cell: (one) => state(one.state), fill: (node, one) => setState(node, one.state) },
    { title: "PID", num: true, cell: (one) => shown(one.pid ?? "–") },
    { title: "Up for", num: true, cell: (one) => (one.state === "running" ? duration(one.uptime_s) : "–") },
    { title: "Last minutes", wide: true, help: "Its share of one core, over the last two minutes",
      cell: () => sparkline("spark"), fill: (node, one) => draw(node, courses.get(one.name) ?? []) },
    { title: "CPU", num: true, help: "Of one core, just now", cell: (one) => busy(one) },
    { title: "Memory", num: true, help: "Its proportional share, where the system tells it", cell: (one) => memory(one.pss_bytes ?? one.rss_bytes) },
    { title: "Restarts", num: true, help: "How often it ended by itself and was started again", cell: (one) => String(one.restarts ?? 0),
      tone: (one) => (one.restarts ? "refused" : "none") },
  ];
  const rows = table("Processes", columns, (one) => one.name, { className: "processes" });
  card.body.append(rows.node);

  function head(one) {
    return el("a", { class: "choose", href: `#/services/${encodeURIComponent(one.name)}` }, el("span", {}, shown(one.name)), el("small", {}, what(one)));
  }

  function fillHead(node, one) {
    if (one.kind) setText(node.lastElementChild, what(one));
    if (one.name === marked) node.setAttribute("aria-current", "true");
    else node.removeAttribute("aria-current");
    node.closest("tr").classList.toggle("chosen", one.name === marked);
  }

  function live(message) {
    const all = inOrder(message.processes);
    remember(courses, all);
    rows.show(all, ["The supervisor does not answer", shown(message.supervisor_error ?? "It is starting.")]);
  }

  function mark(name) {
    marked = name;
    for (const link of rows.node.querySelectorAll("a.choose")) fillHead(link, { name: link.firstElementChild.textContent });
  }
  return { node: card.node, live, mark };
}

const what = (one) => `${KIND[one.kind] ?? shown(one.kind)}${one.version ? ` ${shown(one.version)}` : ""}`;

const busy = (one) => (one.cpu_percent === null || one.cpu_percent === undefined ? "–" : `${Math.round(one.cpu_percent)} %`);

function inOrder(all) {
  const rank = (one) => (KINDS.includes(one.kind) ? KINDS.indexOf(one.kind) : KINDS.length);
  return [...all].sort((one, other) => rank(one) - rank(other));
}

// The numbers are measured every two seconds: a value a message would draw each of them twice.
let turn = 0;
function remember(courses, all) {
  if (++turn % 2) return;
  const names = new Set(all.map((one) => one.name));
  for (const name of courses.keys()) if (!names.has(name)) courses.delete(name);
  for (const one of all) courses.set(one.name, [...(courses.get(one.name) ?? []), one.cpu_percent ?? 0].slice(-POINTS));
}
