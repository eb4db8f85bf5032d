// A unified diff: lines that go and lines that come, told by their sign and by colour.

import { el, shown } from "../dom.js";

const KINDS = { "+": "come", "-": "gone", "@": "place" };

export function diff(lines) {
  const shownLine = (line) => el("span", { class: /^(---|\+\+\+)/.test(line) ? "place" : KINDS[line[0]] ?? "same" }, `${shown(line)}\n`);
  return el("pre", { class: "diff", tabindex: "0", "aria-label": "The difference" }, ...lines.map(shownLine));
}
