// Where each node of the map stands, and how its edges run. The rule: columns from left to right are clients, gateway,
// services that are called from outside, services that others call, and what lies behind them all; within a column
// neighbours stand near each other, and the order does not depend on numbers, so that nothing jumps while one looks.

export const BOX = { width: 148, height: 50 };
const ROW = 76;
const EDGE = 14;
const COLUMNS = 5;

/** { nodes: [{ …, x, y, column }], height }; `x`, `y` are the middle. */
export function layout(nodes, edges, width) {
  const columns = Array.from({ length: COLUMNS }, () => []);
  for (const node of nodes) columns[column(node, edges)].push(node);
  const used = columns.filter((one) => one.length > 0);
  const height = Math.max(3, ...used.map((one) => one.length)) * ROW;
  const step = used.length > 1 ? (width - BOX.width - 2 * EDGE) / (used.length - 1) : 0;
  const placed = new Map();
  used.forEach((members, index) => {
    const order = sorted(members, edges, placed);
    order.forEach((node, row) => {
      const y = (height * (row + 0.5)) / order.length;
      placed.set(node.name, { ...node, column: index, x: EDGE + BOX.width / 2 + index * step, y });
    });
  });
  return { nodes: placed, height };
}

function column(node, edges) {
  if (node.kind === "clients") return 0;
  if (node.kind === "gateway") return 1;
  if (node.kind !== "service") return 4;
  const callers = edges.filter((edge) => edge.destination === node.name).map((edge) => edge.source);
  const inside = callers.filter((name) => !["clients", "gateway", "redis"].includes(name));
  if (inside.length > 0) return 3;
  return callers.some((name) => name !== "redis") ? 2 : 3;
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

/** The curve of an edge between two placed nodes, as [start, first control, second control, end]. */
export function curve(from, to) {
  const half = BOX.width / 2;
  if (from.column === to.column) { // round the right side
    const x = from.x + half;
    const bend = 46;
    return [[x, from.y + 8], [x + bend, from.y], [x + bend, to.y], [x, to.y - 8]];
  }
  const right = to.column > from.column ? 1 : -1;
  const start = [from.x + right * half, from.y + (right < 0 ? 10 : 0)];
  const end = [to.x - right * half, to.y + (right < 0 ? 10 : 0)];
  const pull = Math.max(36, Math.abs(end[0] - start[0]) * 0.45) * right;
  return [start, [start[0] + pull, start[1]], [end[0] - pull, end[1]], end];
}

export const pathOf = ([a, b, c, d]) => `M${point(a)}C${point(b)} ${point(c)} ${point(d)}`;

const point = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** The point of a curve at `t` (Bernstein polynomials). */
export function at([a, b, c, d], t) {
  const u = 1 - t;
  const mix = (i) => u ** 3 * a[i] + 3 * u * u * t * b[i] + 3 * u * t * t * c[i] + t ** 3 * d[i];
  return [mix(0), mix(1)];
}

const TRIES = [0.5, 0.6, 0.4, 0.7, 0.3, 0.78, 0.22];

/** A place for a label of that size on a curve where it covers none of `taken`, and no box if that can be. */
export function labelPlace(line, size, taken) {
  for (const t of TRIES) {
    const [x, y] = at(line, t);
    const box = { left: x - size.width / 2, right: x + size.width / 2, top: y - size.height / 2, bottom: y + size.height / 2 };
    if (!taken.some((other) => overlap(box, other))) return { x, y, box };
  }
  return null;
}

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
