// A text with line numbers. A line can be pointed at: a decision of the past leads there.

import { el } from "../dom.js";

/** Returns { node, title, get, set(text, line) }. */
export function editor() {
  const title = el("p", { class: "mono soft" });
  const numbers = el("pre", { class: "numbers", "aria-hidden": "true" });
  const mark = el("div", { class: "line-mark", hidden: true });
  const area = el("textarea", { "aria-label": "The configuration, in YAML", spellcheck: "false", autocomplete: "off", wrap: "off" });
  const node = el("div", { class: "editor" }, title, el("div", { class: "editor-body" }, mark, numbers, area));
  const number = () => {
    const count = area.value.split("\n").length;
    if (Number(numbers.dataset.count) === count) return;
    numbers.dataset.count = String(count);
    numbers.textContent = Array.from({ length: count }, (_, index) => index + 1).join("\n");
  };
  const height = () => Number.parseFloat(getComputedStyle(area).lineHeight);
  const follow = () => {
    numbers.scrollTop = area.scrollTop;
    mark.style.setProperty("--from", `${Number(mark.dataset.line) * height() - area.scrollTop}px`);
  };
  area.addEventListener("input", number);
  area.addEventListener("scroll", follow);
  const set = (text, line = null) => {
    area.value = text;
    number();
    mark.hidden = line === null;
    if (line === null) return;
    mark.dataset.line = String(line - 1);
    area.scrollTop = Math.max(0, (line - 8) * height());
    follow();
  };
  return { node, title, get: () => area.value, set };
}
