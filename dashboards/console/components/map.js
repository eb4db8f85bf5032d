// The live map: who calls what, drawn from real traffic. Each edge has its rate, errors and latency, and in a mesh a
// lock: closed where everything on it was encrypted, open where something was not. An attack can be drawn on it.

import { el, shown } from "../dom.js";
import { millis, percent, rate } from "../format.js";
import { BOX, labelPlace, layout, pathOf, wayOf } from "./map-layout.js";
import { svg } from "./svg.js";

const LOCK = { closed: "M-4 -1v-2.5a4 4 0 0 1 8 0v2.5M-5.5 -1h11v7.5h-11z", open: "M-4 -1v-3.5a4 4 0 0 1 7.6 -1.8M-5.5 -1h11v7.5h-11z" };
const NARROWEST = 820;
const LETTER = 6.2; // how wide one of the small ones is, on average
const KINDS = { clients: "browsers, apps", gateway: "decides, routes", outside: "third party", stream: "event stream" };

/**
 * Returns { node, show(map), attack(way) }. `map` is the message's; `way` is { hops: ["clients", "gateway", …],
 * stoppedAt: name of the node that stopped it, or null where it got through } or null for none.
 */
export function trafficMap() {
  const drawing = svg("svg", { class: "map", role: "group", "aria-label": "Who calls what, in the last ten seconds" });
  const node = el("div", { class: "scroll map-frame", tabindex: "0", role: "region", "aria-label": "Map of the traffic" }, drawing);
  let last = null;
  let way = null;
  let width = 0;
  const draw = () => last && width > 0 && redraw(drawing, last, way, Math.max(width, NARROWEST));
  new ResizeObserver(([entry]) => { width = entry.contentRect.width; draw(); }).observe(node);
  return { node, show: (map) => { last = map; draw(); }, attack: (now) => { way = now; draw(); } };
}

function redraw(drawing, map, way, width) {
  const { nodes, edges } = whole(map, way);
  const placed = layout([...nodes.values()], edges, width);
  drawing.setAttribute("viewBox", `0 0 ${width} ${placed.height}`);
  drawing.style.setProperty("width", `${width}px`);
  drawing.style.setProperty("height", `${placed.height}px`);
  const focused = drawing.contains(document.activeElement) ? document.activeElement.dataset.name : null;
  const taken = [...placed.nodes.values()].map(boxOf).concat(walls(width, placed.height));
  const drawn = edges.filter((edge) => placed.nodes.has(edge.source) && placed.nodes.has(edge.destination))
    .sort((a, b) => b.rate - a.rate).map((edge) => drawEdge(edge, placed, taken, map.mesh, way));
  const boxes = [...placed.nodes.values()].map((one) => drawNode(one, map.mesh, way));
  drawing.replaceChildren(...drawn.map(([line]) => line), ...boxes, ...drawn.map(([, label]) => label).filter(Boolean));
  if (focused) [...drawing.querySelectorAll("a")].find((link) => link.dataset.name === focused)?.focus();
}

// The nodes that are told, and those that only edges name; databases are drawn at their service.
function whole(map, way) {
  const nodes = new Map(map.nodes.map((one) => [one.name, { ...one }]));
  const edges = [];
  const need = (name) => {
    if (!nodes.has(name)) nodes.set(name, { name, kind: kindOf(name), state: "running", about: "" });
  };
  need("clients");
  for (const edge of map.edges) {
    if (edge.destination === `${edge.source}.db`) {
      const owner = nodes.get(edge.source);
      if (owner) owner.db = edge;
      continue;
    }
    if (edge.destination === "gateway" && edge.source !== "clients") continue; // fetching its public keys: beside the point
    need(edge.source);
    need(edge.destination);
    edges.push(edge);
  }
  for (const [source, destination] of hops(way)) {
    if (edges.some((edge) => edge.source === source && edge.destination === destination)) continue;
    need(source);
    need(destination);
    edges.push({ source, destination, rate: 0, refused: 0, failing: 0, p95_ms: null, encrypted: null });
  }
  return { nodes, edges };
}

const kindOf = (name) => ({ clients: "clients", redis: "stream" })[name] ?? "outside";
const boxOf = ({ x, y }) => ({ left: x - BOX.width / 2, right: x + BOX.width / 2, top: y - BOX.height / 2, bottom: y + BOX.height / 2 });
// What lies outside the drawing is taken, too.
const walls = (width, height) => [
  { left: -1e4, right: 1e4, top: -1e4, bottom: 1 }, { left: -1e4, right: 1e4, top: height - 1, bottom: 1e4 },
  { left: -1e4, right: 1, top: -1e4, bottom: 1e4 }, { left: width - 1, right: 1e4, top: -1e4, bottom: 1e4 },
];
const hops = (way) => (way ? way.hops.slice(1).map((name, index) => [way.hops[index], name]) : []);

/** Whether an edge is on the attack's way, before what stopped it. */
function attacked(edge, way) {
  if (!way) return false;
  const stop = way.stoppedAt === null ? way.hops.length : way.hops.indexOf(way.stoppedAt);
  return hops(way).some(([from, to], index) => index < stop && edge.source === from && edge.destination === to);
}

function tone(edge, way) {
  if (attacked(edge, way)) return "attack";
  if (edge.rate === 0) return "idle";
  if (edge.failing > 0) return "failing";
  return edge.refused > 0 ? "refused" : "fine";
}

function drawEdge(edge, { nodes, columns }, taken, mesh, way) {
  const line = wayOf(nodes.get(edge.source), nodes.get(edge.destination), columns);
  const kind = tone(edge, way);
  const stroke = Math.min(6, 1.4 + Math.log2(1 + edge.rate) * 0.7).toFixed(1);
  const course = svg("g", { class: `edge ${kind}` },
    svg("path", { d: pathOf(line), class: "way", "stroke-width": stroke }),
    edge.rate > 0 ? svg("path", { d: pathOf(line), class: "flow", "stroke-width": stroke }) : null,
    svg("title", {}, told(edge)));
  return [course, edge.rate > 0 || kind === "attack" ? label(edge, line, kind, taken, mesh) : null];
}

function label(edge, line, kind, taken, mesh) {
  const locked = mesh && edge.encrypted !== null;
  const words = kind === "attack" && edge.rate === 0 ? "attack" : `${rate(edge.rate)}/s${edge.p95_ms === null ? "" : ` · ${millis(edge.p95_ms)}`}`;
  const wrong = edge.failing > 0 ? `${percent(edge.failing, edge.rate)} failing` : edge.refused > 0 ? `${percent(edge.refused, edge.rate)} refused` : "";
  const size = { width: Math.max(words.length, wrong.length) * 7.3 + 16 + (locked ? 16 : 0), height: wrong ? 36 : 21 };
  const place = labelPlace(line, size, taken);
  if (!place) return null;
  taken.push(place.box);
  const x = locked ? 8 : 0;
  return svg("g", { class: `edge-label ${kind}`, transform: `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})` },
    svg("rect", { x: -size.width / 2, y: -size.height / 2, width: size.width, height: size.height, rx: 6 }),
    locked ? lock(edge, -size.width / 2 + 13, wrong ? -8 : 0) : null,
    svg("text", { x, y: wrong ? -3.5 : 4.5 }, words),
    wrong ? svg("text", { x, y: 12, class: "wrong" }, wrong) : null,
    svg("title", {}, told(edge)));
}

function lock(edge, x, y) {
  const closed = edge.encrypted >= 0.9999;
  return svg("g", { class: closed ? "lock closed" : "lock open", transform: `translate(${x} ${y})` },
    svg("path", { d: closed ? LOCK.closed : LOCK.open }), svg("title", {}, closed ? "encrypted: mutual TLS" : "not encrypted"));
}

function told(edge) {
  const secure = edge.encrypted === null ? "" : `; ${Math.round(edge.encrypted * 100)} % encrypted`;
  return shown(`${edge.source} → ${edge.destination}: ${rate(edge.rate)}/s, ${percent(edge.refused, edge.rate)} refused, `
    + `${percent(edge.failing, edge.rate)} failing, 95 of 100 within ${millis(edge.p95_ms)}${secure}`);
}

function drawNode(one, mesh, way) {
  const ill = !["running", "unknown"].includes(one.state);
  const attack = way?.hops.includes(one.name) ? (way.stoppedAt === one.name ? "stopped" : reached(one.name, way) ? "hit" : "") : "";
  const words = attack === "stopped" ? "stopped here" : ill ? one.state : one.sidecar ? "sidecar" : KINDS[one.kind] ?? "";
  const box = { x: one.x - BOX.width / 2, y: one.y - BOX.height / 2, width: BOX.width, height: BOX.height, rx: one.kind === "clients" ? 25 : 11 };
  const asked = one.kind === "service" || one.kind === "outside" ? `?by=${encodeURIComponent(one.name)}` : "";
  return svg("a", { href: `#/requests${asked}`, class: `node ${one.kind} ${ill ? "ill" : ""} ${attack}`, "data-name": one.name, "aria-label": shown(`${one.name}: ${words || one.about || one.kind}. Its requests`) },
    svg("rect", box),
    svg("text", { x: one.x, y: one.y - 3, class: one.name.length > 12 ? "name long" : "name" }, shown(one.name)),
    under(one, words),
    one.sidecar ? shield(one) : null,
    one.db ? cylinder(one) : null,
    svg("title", {}, shown([one.name, one.about, one.db ? `its database: ${told(one.db)}` : ""].filter(Boolean).join("; "))));
}

/** What stands under a name, between shield and cylinder: with the database's rate, or that alone, as there is room. */
function under(one, words) {
  const [left, right] = [one.sidecar ? 22 : 6, one.db ? 24 : 6];
  const queries = one.db ? `SQL ${rate(one.db.rate)}/s` : "";
  const whole = [words, queries].filter(Boolean).join(" · ");
  const fits = whole.length * LETTER <= BOX.width - left - right;
  const short = words === "sidecar" ? queries || words : words || queries;
  return svg("text", { x: one.x + (left - right) / 2, y: one.y + 14, class: "kind" }, fits ? whole : short);
}

function reached(name, way) {
  const stop = way.stoppedAt === null ? way.hops.length : way.hops.indexOf(way.stoppedAt);
  return way.hops.indexOf(name) < stop;
}

const shield = ({ x, y }) => svg("path", { class: "shield", d: `M${x - BOX.width / 2 + 8} ${y + 3}l5.5 -2l5.5 2v6q0 5.5 -5.5 8q-5.5 -2.500 -5.500 -8z` });

const cylinder = ({ x, y }) => svg("path", { class: "cylinder", d: `M${x + BOX.width / 2 - 19} ${y + 5}a6 2.5 0 0 1 12 0v9a6 2.5 0 0 1 -12 0zm0 0a6 2.500 0 0 0 12 0` });
