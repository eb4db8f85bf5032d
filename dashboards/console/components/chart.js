// A chart of the last three minutes: one series, its scale, and what it means in plain words.

import { el, setText } from "../dom.js";
import { copyButton } from "./code.js";
import { svg } from "./svg.js";

const SECONDS = 180;

/**
 * `format(value)` writes a value; `meaning` says what it is; `promql` asks Prometheus for the same.
 * Returns { node, show(series) }; `series` has a value a second, the newest last; null where there is none.
 */
export function chart(title, { format, meaning, promql, tone = "", least = 1 }) {
  const value = el("p", { class: "chart-value" }, "–");
  const top = el("span", { class: "chart-top" });
  const read = el("span", { class: "chart-read" });
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "course" });
  const mark = svg("line", { class: "mark", y1: 0, y2: 100, visibility: "hidden" });
  const drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" },
    svg("line", { class: "grid", x1: 0, x2: 100, y1: 3, y2: 3 }), svg("line", { class: "grid", x1: 0, x2: 100, y1: 50, y2: 50 }), area, line, mark);
  const axis = el("p", { class: "chart-axis", "aria-hidden": "true" }, el("span", {}, "3 min ago"), read, el("span", {}, "now"));
  const query = el("details", { class: "promql" }, el("summary", {}, "PromQL"), el("code", {}, promql), copyButton(promql));
  const node = el("section", { class: `card chart ${tone}`, "aria-label": title },
    el("header", {}, el("h2", {}, title), value),
    el("div", { class: "chart-plot" }, top, drawing), axis,
    el("p", { class: "chart-meaning soft" }, meaning), query);
  let values = [];
  const show = (series) => {
    values = series.slice(-SECONDS);
    const now = values.at(-1) ?? null;
    const highest = Math.max(least, ...values.map((one) => one ?? 0));
    setText(value, now === null ? "–" : format(now));
    value.toggleAttribute("data-some", Boolean(now));
    setText(top, format(highest));
    drawing.setAttribute("aria-label", `${title}: now ${now === null ? "nothing" : format(now)}, at most ${format(highest)} in the last three minutes`);
    const [course, ground] = paths(values, highest);
    line.setAttribute("d", course);
    area.setAttribute("d", ground);
  };
  pointing(drawing, mark, read, () => values, format);
  return { node, show };
}

const x = (index, count) => 100 - ((count - 1 - index) * 100) / (SECONDS - 1);

function paths(values, highest) {
  let course = "";
  let ground = "";
  let begun = null;
  values.forEach((value, index) => {
    const place = x(index, values.length);
    if (value === null) begun = null;
    else {
      course += `${begun === null ? "M" : "L"}${place.toFixed(2)} ${(100 - (97 * value) / highest).toFixed(2)}`;
      begun = begun ?? place;
    }
    if (value !== null && (index === values.length - 1 || values[index + 1] === null)) {
      const piece = course.slice(course.lastIndexOf("M"));
      ground += `${piece}L${place.toFixed(2)} 100L${begun.toFixed(2)} 100Z`;
    }
  });
  return [course, ground];
}

// What the value was where the pointer is.
function pointing(drawing, mark, read, values, format) {
  drawing.addEventListener("pointermove", (event) => {
    const frame = drawing.getBoundingClientRect();
    const ago = Math.round((1 - (event.clientX - frame.left) / frame.width) * (SECONDS - 1));
    const value = values().at(-1 - ago);
    mark.setAttribute("visibility", "visible");
    for (const side of ["x1", "x2"]) mark.setAttribute(side, String(100 - (ago * 100) / (SECONDS - 1)));
    setText(read, value === undefined || value === null ? "" : `${ago} s ago: ${format(value)}`);
  });
  drawing.addEventListener("pointerleave", () => {
    mark.setAttribute("visibility", "hidden");
    setText(read, "");
  });
}
