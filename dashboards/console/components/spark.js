// A sparkline: the course of a number over the last minute, without axes, since the number stands beside it.

const SVG = "http://www.w3.org/2000/svg";
const POINTS = 60;

/** An SVG that `draw` fills; it stretches to the size that the style sheet gives it. */
export function sparkline(className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", className);
  for (const name of ["area", "course"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    svg.append(path);
  }
  return svg;
}

/** Draw up to sixty values, the newest at the right edge; three neighbours are averaged, so that bursts do not flicker. */
export function draw(svg, series) {
  const values = smooth(series.slice(-POINTS));
  const top = Math.max(1, ...values) * 1.08;
  const step = 100 / (POINTS - 1);
  const first = 100 - (values.length - 1) * step;
  const points = values.map((value, index) => `${(first + index * step).toFixed(2)} ${(97 - (94 * value) / top).toFixed(2)}`);
  const course = values.some((value) => value > 0) ? `M${points.join("L")}` : "";
  svg.children[0].setAttribute("d", course && `${course}L100 100L${first.toFixed(2)} 100Z`);
  svg.children[1].setAttribute("d", course);
}

function smooth(values) {
  return values.map((_, index) => {
    const near = values.slice(Math.max(0, index - 1), index + 2);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
}
