// What a process wrote, as it is written. Log lines carry what strangers sent: every word becomes a text node.

import { failed, panel } from "../../components/panel.js";
import { el, setText, shown, shownLines } from "../../dom.js";
import { clock } from "../../format.js";
import { get, mayChange } from "../../session.js";

const MOST = 400;
const EVERY_MS = 1000;
const TIMES = ["time", "timestamp", "start_time"];
const LEVELS = ["level", "severity"];
const MESSAGES = ["message", "msg", "event"];
const BELOW = ["traceback", "exception", "error"];
// Of little help at a first look; the button “All fields” shows them.
const MINOR = new Set(["logger", "service", "instance", "trace_id", "span_id", "request_id", "start_time", "bytes_received", "bytes_sent",
  "client_address", "user_agent", "protocol", "response_flags", "upstream_endpoint", "attempts"]);

export function logView(name) {
  const card = panel("Log", { className: "log" });
  const lines = el("ol", { class: "lines" });
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "log", "aria-label": `Log of ${shown(name)}`, "aria-live": "off" }, lines);
  const wanted = el("input", { type: "search", placeholder: "Only lines with …", "aria-label": "Only lines with this text" });
  const all = el("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "All fields");
  const pause = el("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "Pause");
  let position = null;
  let paused = false;
  let timer = 0;
  let closed = false;
  card.node.querySelector("header").append(wanted, all, pause);
  card.body.append(scroll);
  wanted.addEventListener("input", () => [...lines.children].forEach(sift));
  all.addEventListener("click", () => all.setAttribute("aria-pressed", String(lines.classList.toggle("all"))));
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    setText(pause, paused ? "Go on" : "Pause");
  });
  if (mayChange()) void look();
  else card.body.replaceChildren(failed("Logs are shown to those who may change things", "Open the console by the link that `gatehouse ps` prints, or read: gatehouse logs ", shown(name)));

  function sift(line) {
    line.hidden = wanted.value !== "" && !line.textContent.toLowerCase().includes(wanted.value.toLowerCase());
  }

  async function look() {
    try {
      if (!paused) await more();
      setText(card.node.querySelector("header p"), paused ? "paused" : `the latest ${lines.children.length} lines`);
    } catch (error) {
      setText(card.node.querySelector("header p"), shown(error.message));
    }
    if (!closed) timer = setTimeout(look, EVERY_MS);
  }

  async function more() {
    const told = await get(`/logs/${encodeURIComponent(name)}?${position === null ? "lines=200" : `after=${position}`}`);
    if (closed) return;
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    position = told.position;
    for (const text of told.lines) {
      const line = row(text);
      sift(line);
      lines.append(line);
    }
    while (lines.children.length > MOST) lines.firstElementChild.remove();
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  }

  function close() {
    closed = true;
    clearTimeout(timer);
  }
  return { node: card.node, close };
}

function row(text) {
  const record = parsed(text);
  if (!record) return el("li", { class: "plain" }, shown(text));
  const level = String(take(record, LEVELS) ?? "").toLowerCase();
  const when = moment(take(record, TIMES));
  const message = take(record, MESSAGES) ?? "";
  const below = BELOW.map((name) => record[name]).find((value) => typeof value === "string" && value.includes("\n"));
  const rest = Object.entries(record).filter(([, value]) => value !== below && !nothing(value));
  return el("li", { "data-level": ["warning", "error", "critical"].includes(level) ? level : "info" },
    el("time", {}, when), el("b", {}, shown(level)), el("span", { class: "said" }, shown(message)),
    ...rest.flatMap(([key, value]) => [el("span", { class: MINOR.has(key) ? "pair minor" : "pair" }, el("i", {}, `${shown(key)}=`), shown(words(value)))]),
    below ? el("pre", {}, shownLines(below)) : null);
}

function parsed(text) {
  try {
    const found = JSON.parse(text);
    return found && typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

function take(record, names) {
  const name = names.find((each) => each in record);
  const value = name === undefined ? undefined : record[name];
  delete record[name];
  return value;
}

const moment = (value) => (typeof value === "number" ? clock(value * 1000) : value ? clock(value) || shown(value) : "");
const nothing = (value) => value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));
