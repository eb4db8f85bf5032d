// The lab before a scenario is chosen: what it is, and where to begin.

import { el, shown } from "../../dom.js";
import { panel } from "../../components/panel.js";

export function welcome(scenarios, unknown) {
  const card = panel("Attack it yourself");
  const first = scenarios[0];
  const steps = [
    ["Break", "one control is taken away, live; the banner above says so"],
    ["Attack", "the attack runs for real, and you see which request gets through, and where"],
    ["Fix", "the control comes back: by the lab, or by you, and “Check my fix” judges yours"],
    ["Attack again", "the same requests, stopped; honest people are served both times"],
  ];
  card.body.append(el("div", { class: "padded welcome" },
    unknown ? el("p", {}, el("strong", {}, `There is no scenario “${shown(unknown)}”.`)) : null,
    el("p", { class: "lead" }, `${scenarios.length} attacks that really work, against controls that really stop them, on this running system.`),
    el("ol", { class: "four" }, ...steps.map(([verb, text]) => el("li", {}, el("strong", {}, verb), el("span", {}, text)))),
    el("p", {}, el("a", { class: "button main", href: `#/lab/${first.id}` }, `Begin with: ${shown(first.title)}`), " ",
      el("a", { class: "button", href: "#/lab/blast-radius" }, "How far does a foothold reach?"))));
  return { nodes: [card.node] };
}
