// The way of an attack, as a picture: who sends, the gateway, the services. A line is red where it gets through and
// ends at a bar where a control stands. Every line carries its number and reason in words.

import { shown } from "../../dom.js";
import { way } from "./evidence.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 1100;
const BOX = { wide: 200, high: 78 };
const X = { start: 110, gateway: 530, service: 985 };
const MOST = 5;

// Where nobody has come to a service yet, or ever.
const NOBODY = { name: "service", via: "gateway", through: 0, refused: new Map(), tone: "faint" };

/** A picture that `draw(run, known, services, control)` fills; `send` lets a dot run along its way. */
export function attackPath() {
  const svg = node("svg", { class: "path", role: "img", viewBox: `0 0 ${WIDE} 240` });
  let ends = new Map();

  function draw(run, known, services, control) {
    const told = summed(run, known, services);
    const high = Math.max(170, 30 + told.services.length * 108);
    const middle = high / 2;
    svg.setAttribute("viewBox", `0 0 ${WIDE} ${high}`);
    svg.setAttribute("aria-label", inWords(told, run));
    ends = new Map();
    const rows = told.services.map((one, index) => ({ ...one, y: (high / (told.services.length + 1)) * (index + 1) }));
    svg.replaceChildren(...lines(told, rows, middle, run, ends), box("start", told.who, told.whoNote, middle, "who"),
      ...(told.viaGateway ? [box("gateway", "gateway", told.atGateway.note, middle, "", at("gateway"))] : []),
      ...rows.map((one) => box("service", one.name, one.note, one.y, one.tone, at("service"))),
      ...(control.where === "mesh" ? rows.map((one) => shield(X.service - BOX.wide / 2 - 16, one.y, control)) : []));

    function at(place) {
      return control.where === place ? control : null;
    }
  }

  function send(one, known, services) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const { service, stopped } = way(one, known, services);
    const path = ends.get(stopped === "gateway" ? "gateway" : service);
    if (!path) return;
    const dot = node("circle", { class: "dot", r: 9 });
    svg.append(dot);
    const moving = dot.animate(path.map(([x, y]) => ({ transform: `translate(${x}px, ${y}px)` })), { duration: 550, easing: "ease-in-out" });
    moving.onfinish = moving.oncancel = () => dot.remove();
  }
  return { node: svg, draw, send };
}

function summed(run, known, services) {
  const who = [...new Set(run.attack.map((one) => one.who))];
  const gateway = { passed: 0, stopped: new Map() };
  const found = new Map();
  let viaGateway = run.attack.length === 0;
  for (const one of run.attack) {
    const { via, service, stopped, why } = way(one, known, services);
    viaGateway ||= via === "gateway";
    if (stopped === "gateway") count(gateway.stopped, why);
    else {
      gateway.passed += via ? 1 : 0;
      const there = found.get(service) ?? { name: service, via, through: 0, refused: new Map() };
      if (stopped) count(there.refused, why);
      else there.through += 1;
      found.set(service, there);
    }
  }
  const all = [...found.values()].slice(0, MOST);
  const breached = run.outcome?.breached;
  // Sometimes to come there is the breach, whatever the service says then.
  const arrived = breached && all.every((one) => one.through === 0);
  return {
    who: who.length ? shown(who.length > 2 ? `${who[0]} and ${who.length - 1} others` : who.join(", ")) : "attacker",
    whoNote: run.attack.length ? `${run.attack.length} ${run.attack.length === 1 ? "request" : "requests"}` : "",
    viaGateway,
    atGateway: { ...gateway, note: total(gateway.stopped) ? `refuses ${total(gateway.stopped)}` : gateway.passed ? "lets it pass" : "" },
    services: all.length ? all.map((one) => (arrived ? reached(one) : { ...one, tone: one.through && breached ? "open" : "", note: told(one, breached) }))
      : [{ ...NOBODY, note: run.attack.length ? "never reached" : "" }],
  };
}

const reached = (one) => ({ ...one, through: total(one.refused), refused: new Map(), tone: "open", note: `reached: ${most(one.refused)}` });
const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
const total = (map) => [...map.values()].reduce((sum, one) => sum + one, 0);
const most = (map) => [...map.entries()].sort((one, other) => other[1] - one[1])[0]?.[0] ?? "";

function told(one, breached) {
  const refused = total(one.refused);
  if (one.through && breached) return `${one.through} through`;
  if (one.through && refused) return `${one.through} answered`;
  return one.through ? "answers what is allowed" : "gives nothing";
}

function lines(told, rows, middle, run, ends) {
  const drawn = [];
  const right = (place) => X[place] + BOX.wide / 2;
  const left = (place) => X[place] - BOX.wide / 2;
  const tone = run.outcome === null ? "going" : run.outcome.breached ? "breached" : "harmless";
  const stopped = total(told.atGateway.stopped);
  if (told.viaGateway) {
    const alone = stopped > 0 && told.atGateway.passed === 0;
    const to = left("gateway") - (alone ? 14 : 4);
    drawn.push(line([[right("start"), middle], [to, middle]], alone ? "stopped" : run.attack.length ? tone : "idle", run.attack.length ? "" : "nothing sent yet"));
    ends.set("gateway", [[right("start"), middle], [to - 6, middle]]);
    if (stopped) drawn.push(stop(left("gateway") - 12, middle, [`${stopped} refused`, shown(most(told.atGateway.stopped))], (right("start") + left("gateway")) / 2));
  }
  for (const one of rows) {
    const from = one.via ? [right("gateway"), middle] : [right("start"), middle];
    const refused = total(one.refused);
    const alone = refused > 0 && one.through === 0;
    const to = [left("service") - (alone ? 14 : 4), one.y];
    const words = one.through ? `${one.through} ${one.through === 1 ? "answer" : "answers"}` : "";
    drawn.push(line([from, to], one.tone === "faint" ? "idle" : alone ? "stopped" : tone, words));
    ends.set(one.name, one.via ? [[right("start"), middle], [left("gateway"), middle], from, to] : [from, to]);
    if (refused) drawn.push(stop(left("service") - 12, one.y, [`${refused} refused`, shown(most(one.refused))], (from[0] + left("service")) / 2, (from[1] + one.y) / 2));
  }
  return drawn;
}

function line(points, tone, words) {
  const [[x1, y1], [x2, y2]] = points;
  const bend = Math.abs(x2 - x1) / 2;
  const group = node("g", { class: `way ${tone}` });
  group.append(node("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` }));
  if (tone !== "stopped") group.append(node("path", { class: "head", d: `M${x2 - 12} ${y2 - 8}L${x2} ${y2}L${x2 - 12} ${y2 + 8}` }));
  if (words) group.append(text((x1 + x2) / 2, (y1 + y2) / 2 - 12, words, "told"));
  return group;
}

function stop(x, y, words, wordsX, wordsY = y) {
  const bar = node("g", { class: "stop" });
  bar.append(node("path", { d: `M${x} ${y - 22}V${y + 22}` }),
    ...words.map((one, index) => text(wordsX, wordsY + 26 + 20 * index, one.length > 26 ? `${one.slice(0, 25)}…` : one, "told")));
  return bar;
}

function box(place, name, note, y, tone, control = null) {
  const x = X[place] - BOX.wide / 2;
  const group = node("g", { class: `box ${tone}` });
  group.append(node("rect", { x, y: y - BOX.high / 2, width: BOX.wide, height: BOX.high, rx: 12 }),
    text(X[place], y + (control ? 5 : 0) + (note ? -4 : 7), name.length > 20 ? `${name.slice(0, 19)}…` : name, "name"));
  if (note) group.append(text(X[place], y + (control ? 26 : 20), note, "note"));
  if (control) group.append(shield(X[place], y - BOX.high / 2, control));
  return group;
}

function shield(x, y, control) {
  const group = node("g", { class: control.weak ? "control off" : "control on" });
  const words = control.weak ? "control off" : "control on";
  group.append(node("rect", { x: x - 54, y: y - 13, width: 108, height: 26, rx: 13 }), text(x, y + 5, words, "state"));
  return group;
}

function text(x, y, words, kind) {
  const made = node("text", { x, y, class: kind, "text-anchor": "middle" });
  made.textContent = words;
  return made;
}

function node(name, properties) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, String(value));
  return made;
}

function inWords(told, run) {
  if (run.attack.length === 0) return "Nothing has been sent yet.";
  const stopped = total(told.atGateway.stopped);
  const parts = [`${told.who} sends ${run.attack.length} requests.`, stopped ? `The gateway refuses ${stopped}.` : ""];
  for (const one of told.services) parts.push(`${one.name}: ${one.through} answered, ${total(one.refused)} refused.`);
  if (run.outcome) parts.push(run.outcome.breached ? `Breached: ${run.outcome.got}.` : `Stopped: ${run.outcome.got}.`);
  return parts.filter(Boolean).join(" ");
}
