// Where each node of the map stands, and how its edges run. The rule: columns from left to right are clients, gateway,
// services that are called from outside, services that others call, and what lies behind them all; within a column
// neighbours stand near each other, and the order does not depend on numbers, so that nothing jumps while one looks.
// An edge that passes a column goes between its boxes.

export const BOX = { width: 138, height: 52 };
const ROW = 94;
const MARGIN = { left: 6, right: 44 };
const COLUMNS = 5;
const LEAST_ROWS = 4.4;

/** { nodes: Map of name → { …, x, y, column }, columns: [[node]], height }; `x`, `y` are the middle. */
export function layout(nodes, edges, width) {
  const all = Array.from({ length: COLUMNS }, () => []);
  for (const node of nodes) all[columnOf(node, edges)].push(node);
  const used = all.filter((one) => one.length > 0);
  const height = Math.max(LEAST_ROWS, ...used.map((one) => one.length)) * ROW;
  const step = used.length > 1 ? (width - BOX.width - MARGIN.left - MARGIN.right) / (used.length - 1) : 0;
  const placed = new Map();
  const columns = used.map((members, index) => sorted(members, edges, placed).map((node, row, order) => {
    const x = MARGIN.left + BOX.width / 2 + index * step;
    const stands = { ...node, column: index, x, y: (height * (row + 0.5)) / order.length };
    placed.set(node.name, stands);
    return stands;
  }));
  return { nodes: placed, columns, height };
}

function columnOf(node, edges) {
  if (node.kind === "clients") return 0;
  if (node.kind === "gateway") return 1;
  if (node.kind !== "service") return 4;
  const callers = edges.filter((edge) => edge.destination === node.name).map((edge) => edge.source);
  if (callers.some((name) => !["clients", "gateway", "redis"].includes(name))) return 3;
  return node.public || callers.some((name) => name !== "redis") ? 2 : 4;
}

// By the mean height of those neighbours that stand already; by name where that is the same.
function sorted(members, edges, placed) {
  const place = (node) => {
    const near = edges.filter((edge) => edge.destination === node.name || edge.source === node.name)
      .map((edge) => placed.get(edge.source === node.name ? edge.destination : edge.source)?.y).filter((y) => y !== undefined);
    return near.length ? near.reduce((sum, y) => sum + y, 0) / near.length : Infinity;
  };
  const weight = new Map(members.map((node) => [node.name, place(node)]));
  return [...members].sort((a, b) => weight.get(a.name) - weight.get(b.name) || a.name.localeCompare(b.name));
}

/** The way of an edge between two placed nodes: cubic curves, each [start, first control, second control, end]. */
export function wayOf(from, to, columns) {
  const half = BOX.width / 2;
  if (from.column === to.column) { // round the right side
    const [x, bend] = [from.x + half, from.x + half + 40];
    const side = to.y > from.y ? 8 : -8;
    return [[[x, from.y + side], [bend, from.y + side], [bend, to.y - side], [x, to.y - side]]];
  }
  const right = to.column > from.column ? 1 : -1;
  const low = right < 0 ? 12 : 0;
  const stops = [[from.x + right * half, from.y + low], ...between(from, to, columns, right), [to.x - right * half, to.y + low]];
  return stops.slice(1).map((stop, index) => bow(stops[index], stop));
}

// Where it passes the columns that lie between: the gap nearest to the straight line.
function between(from, to, columns, right) {
  const stops = [];
  for (let index = from.column + right; index !== to.column; index += right) {
    const boxes = columns[index];
    const straight = from.y + ((to.y - from.y) * (boxes[0].x - from.x)) / (to.x - from.x);
    const gaps = boxes.slice(1).map((box, row) => (box.y + boxes[row].y) / 2);
    const edges = [boxes[0].y - BOX.height, ...gaps, boxes.at(-1).y + BOX.height];
    const free = boxes.every((box) => Math.abs(box.y - straight) > BOX.height * 0.75);
    const y = free ? straight : edges.reduce((best, gap) => (Math.abs(gap - straight) < Math.abs(best - straight) ? gap : best));
    stops.push([boxes[0].x, y]);
  }
  return stops;
}

function bow(start, end) {
  const pull = (end[0] - start[0]) * 0.5;
  return [start, [start[0] + pull, start[1]], [end[0] - pull, end[1]], end];
}

export const pathOf = (way) => `M${point(way[0][0])}${way.map(([, b, c, d]) => `C${point(b)} ${point(c)} ${point(d)}`).join("")}`;

const point = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** The point of a way at `t` from 0 to 1 (Bernstein polynomials). */
function at(way, t) {
  const place = Math.min(t * way.length, way.length - 1e-6);
  const [a, b, c, d] = way[Math.floor(place)];
  const [v, u] = [place % 1, 1 - (place % 1)];
  const mix = (i) => u ** 3 * a[i] + 3 * u * u * v * b[i] + 3 * u * v * v * c[i] + v ** 3 * d[i];
  return [mix(0), mix(1)];
}

// From the middle outwards.
const TRIES = Array.from({ length: 19 }, (_, index) => 0.5 + (index % 2 ? 1 : -1) * Math.ceil(index / 2) * 0.05);

/** A place for a label of that size on a way where it covers none of `taken`, beside it if need be; null if there is none. */
export function labelPlace(way, size, taken) {
  const beside = BOX.height / 2 + size.height / 2 + 4;
  for (const away of [0, 13, -13, 26, -26, beside, -beside]) {
    for (const t of TRIES) {
      const [x, y] = [at(way, t)[0], at(way, t)[1] + away];
      const box = { left: x - size.width / 2, right: x + size.width / 2, top: y - size.height / 2, bottom: y + size.height / 2 };
      if (!taken.some((other) => overlap(box, other))) return { x, y, box };
    }
  }
  return null;
}

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
