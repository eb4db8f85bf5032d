// Blast radius: how far each foothold reaches, in each architecture, measured by an attacker's program that stands there.

import { actionButton } from "../../components/action.js";
import { done, newest, running, words } from "../../components/job.js";
import { empty, failed, panel } from "../../components/panel.js";
import { el, setText, shown } from "../../dom.js";
import { mayChange } from "../../session.js";

const MEASURES = [
  ["services", "services of others whose own code was reached"],
  ["operations", "operations of others that can be used from there"],
  ["records", "orders, profiles, users, database rows that can be read"],
  ["databases", "database files that could be opened; one is its own"],
];

export function radius() {
  const card = panel("Blast radius", { className: "radius" });
  const place = el("div");
  const told = el("p", { class: "soft", role: "status" });
  const measure = actionButton("Measure", { run: () => work(), command: "gatehouse lab blast-radius", className: "main",
    help: "Starts a shop of the lab's own for each architecture; yours is not touched. A few minutes." });
  card.node.querySelector("header").append(measure);
  card.body.append(el("div", { class: "padded" }, el("p", {}, "Somebody stands at each foothold, for real: with a stolen token, inside a service's own process, at a database. The same attacker's program looks around from there, and what it reached is counted."), told, place));
  void begin();

  async function begin() {
    if (!mayChange()) return place.replaceChildren(failed("Measuring starts programs", "Open the console by the link that `gatehouse ps` prints, or run: gatehouse lab blast-radius"));
    place.replaceChildren(empty("Not measured yet", "Press Measure: a shop of the lab's own is started for each architecture, and attacked from each foothold. It takes a few minutes."));
    try {
      const found = await newest("lab-blast-radius");
      if (found) show(found);
      if (await running("lab-blast-radius")) setText(told, "It is being measured just now; come back in a few minutes.");
    } catch (error) {
      place.replaceChildren(failed("Not known just now", shown(error.message)));
    }
  }

  async function work() {
    const began = Date.now();
    const clock = setInterval(() => setText(told, `Measuring for ${Math.round((Date.now() - began) / 1000)} s: a shop for each architecture, eight footholds in each …`), 1000);
    try {
      show(await done("lab-blast-radius"));
    } finally {
      clearInterval(clock);
      if (told.textContent.startsWith("Measuring")) setText(told, "");
    }
  }

  function show(job) {
    try {
      const { cells, journeys } = JSON.parse(job.output.join("\n"));
      place.replaceChildren(heat(cells, journeys));
      setText(told, `Measured ${new Date(job.began * 1000).toLocaleString("en-GB")}, in ${Math.round(job.seconds)} s.`);
    } catch (error) {
      place.replaceChildren(failed("Not understood", shown(error.message), words(job)));
    }
  }
  return { nodes: [card.node] };
}

function heat(cells, journeys) {
  const architectures = [...new Set(cells.map((one) => one.architecture))];
  const footholds = [...new Set(cells.map((one) => one.foothold))];
  const most = Object.fromEntries(MEASURES.map(([name]) => [name, Math.max(1, ...cells.map((one) => one[name]))]));
  const find = (foothold, architecture) => cells.find((one) => one.foothold === foothold && one.architecture === architecture);
  const top = el("tr", {}, el("td", { rowspan: 2 }), ...architectures.map((one) => el("th", { scope: "colgroup", colspan: MEASURES.length + 1, class: "arch" }, shown(one))));
  const second = el("tr", {}, ...architectures.flatMap(() => [...MEASURES.map(([name, help]) => el("th", { scope: "col" }, el("abbr", { title: help, tabindex: "0" }, name))), el("th", { scope: "col" }, "journeys")]));
  const body = footholds.map((foothold) => el("tr", {}, el("th", { scope: "row" }, shown(foothold)), ...architectures.flatMap((architecture) => squares(find(foothold, architecture), most, journeys))));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Blast radius" },
    el("table", { class: "heat" }, el("thead", {}, top, second), el("tbody", {}, ...body)));
}

function squares(cell, most, journeys) {
  if (!cell) return [...MEASURES, "journeys"].map(() => el("td", {}, "–"));
  const squared = MEASURES.map(([name]) => {
    const strength = cell[name] === 0 ? 0 : Math.max(1, Math.ceil((4 * cell[name]) / most[name]));
    return el("td", { class: `heat-${strength}`, title: name === "operations" ? cell.reached.map(shown).join("\n") : null }, String(cell[name]));
  });
  return [...squared, el("td", { class: "journeys" }, `${cell.journeys} of ${journeys}`)];
}
