// The catalogue: every scenario in the order in which they are best taught; found by words, by where the control lives.

import { el, keyed, setText, shown } from "../../dom.js";
import { panel } from "../../components/panel.js";

const WHERE = ["all", "gateway", "service", "mesh"];

export function catalogue(scenarios) {
  const card = panel("Scenarios", { className: "catalogue" });
  const words = el("input", { type: "search", placeholder: "Search: BOLA, token, CWE-639 …", "aria-label": "Search the scenarios" });
  const segments = el("div", { class: "segments", role: "group", "aria-label": "Where the control lives" }, ...WHERE.map(segment));
  const items = el("ol", { class: "scenarios" });
  const nothing = el("p", { class: "empty", hidden: true }, "No scenario is like that.");
  const far = el("a", { class: "far", href: "#/lab/blast-radius" }, el("strong", {}, "Blast radius"), el("small", {}, "how far each foothold reaches"));
  let where = "all";
  let marked = null;
  let weak = new Set();
  card.body.append(el("div", { class: "filters" }, words, segments), items, nothing, far);
  words.addEventListener("input", draw);
  draw();

  function segment(name) {
    const label = name === "all" ? "All" : name[0].toUpperCase() + name.slice(1);
    const button = el("button", { type: "button", "aria-pressed": String(name === "all") }, label);
    button.addEventListener("click", () => {
      where = name;
      for (const one of segments.children) one.setAttribute("aria-pressed", String(one === button));
      draw();
    });
    return button;
  }

  function draw() {
    const found = scenarios.filter((one) => (where === "all" || one.control.where === where) && fits(one, words.value));
    keyed(items, found, (one) => one.id, item, fill);
    nothing.hidden = found.length > 0;
    card.note(`${found.length}${found.length === scenarios.length ? "" : ` of ${scenarios.length}`}`);
  }

  function fill(line, one) {
    const link = line.firstElementChild;
    if (one.id === marked) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    line.querySelector(".weak").hidden = !weak.has(one.id);
  }

  const mark = (id) => {
    marked = id;
    far.toggleAttribute("aria-current", id === "blast-radius");
    draw();
    items.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  };
  return { node: card.node, mark, weakened: (names) => { weak = names; draw(); } };
}

function item(one) {
  return el("li", {}, el("a", { href: `#/lab/${one.id}` },
    el("span", { class: "title" }, shown(one.title)),
    el("span", { class: "about" }, el("code", {}, shown(one.id)), el("span", {}, `${one.control.where}`), level(one.difficulty)),
    el("span", { class: "badge failing weak", hidden: true }, "weakened")));
}

/** Difficulty as dots, and in words for who cannot see them. */
export function level(difficulty) {
  const node = el("span", { class: "level", role: "img", "aria-label": `difficulty ${difficulty} of 6`, title: `difficulty ${difficulty} of 6` });
  setText(node, "●".repeat(difficulty) + "○".repeat(6 - difficulty));
  return node;
}

function fits(one, text) {
  const place = [one.id, one.title, one.story, ...one.references, one.control.name].join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => place.includes(word));
}
