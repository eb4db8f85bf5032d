// One scenario: its story, the attack as a picture, the requests, both sides, the control; and the buttons to do it all.

import { actionButton, option } from "../../components/action.js";
import { badge } from "../../components/badge.js";
import { code } from "../../components/code.js";
import { panel } from "../../components/panel.js";
import { el, setText, shown, shownLines } from "../../dom.js";
import { level } from "./catalogue.js";
import { bench } from "./bench.js";
import { lesson } from "./control.js";
import { present } from "./presenter.js";
import { requests } from "./requests.js";
import { attackPath } from "./path.js";
import { sides } from "./sides.js";

export function scenario(one, all) {
  const work = bench(one);
  const picture = attackPath();
  const verdict = el("p", { class: "verdict", role: "status" });
  const said = el("pre", { class: "said", hidden: true, tabindex: "0" });
  const buttons = el("div", { class: "tools" });
  const typed = el("div", { class: "typed" });
  const evidence = requests();
  const both = sides();
  const way = panel("The way of the attack", { className: "attack" });
  way.body.append(el("div", { class: "padded" }, buttons, typed, picture.node, verdict, said));
  work.onChange(draw);
  work.onRequest((exchange) => picture.send(exchange, work.known(), work.services()));
  draw();

  function draw() {
    const run = work.last();
    picture.draw(run, work.known(), work.services(), { where: one.control.where, weak: work.weak() });
    evidence.show(run);
    both.show(work.side(true), work.side(false));
    tell(verdict, run, work);
    said.hidden = !work.output();
    setText(said, shownLines(work.output()));
    typed.replaceChildren(...(work.line() ? [code(`${work.line()}${option()}`)] : []));
    buttons.replaceChildren(...tools(one, work));
  }

  return {
    nodes: [head(one), way.node, el("div", { class: "columns even runs" }, evidence.node, both.node), ...lesson(one), nextOne(one, all)],
    weakened: (names) => work.weakened(names),
    at: (asked) => { if (asked.present !== undefined) present(one, work); },
    close: () => work.close(),
  };
}

function head(one) {
  const show = el("a", { class: "button main", href: `#/lab/${one.id}?present` }, "Present");
  return el("header", { class: "scenario-head" },
    el("div", {}, el("h2", {}, shown(one.title)), el("p", { class: "marks" }, el("code", {}, shown(one.id)), level(one.difficulty),
      el("span", { class: "soft" }, `${one.minutes} minutes`), ...one.references.map((name) => badge(name)))),
    show, el("p", { class: "story" }, shown(one.story)));
}

/** What the run came to, in a line. */
export function tell(node, run, work) {
  const { outcome } = run;
  node.dataset.tone = outcome ? (outcome.breached ? "breached" : "stopped") : "";
  if (!outcome) return setText(node, work.busy() ? "…" : "");
  const served = outcome.benign ? "Honest people were served." : "Honest people were NOT served.";
  node.replaceChildren(el("strong", {}, outcome.breached ? "BREACHED" : "STOPPED"), el("span", {}, ` ${shown(outcome.got)}. `), el("span", { class: "soft" }, served));
}

function tools(one, work) {
  if (work.busy()) return underWay(work);
  const weak = work.weak();
  const command = (verb) => `gatehouse lab ${verb} ${one.id}${option()}`;
  const button = (label, verb, run, more = {}) => actionButton(label, { run, command: command(verb), ...more });
  const attack = button("Attack", "attack", () => work.attack(), { className: weak || one.instead ? "main" : "" });
  const step = button("Step by step", "attack --step", () => work.step(), { help: "Each request waits until you press Next" });
  const compare = button(one.instead ? `Compare ${one.instead} and ${one.architecture}` : "Compare both sides", "run", () => work.compare(), {
    help: "On a shop of the lab's own: yours is not touched. Takes up to a minute." });
  if (one.instead) return [attack, step, compare, el("p", { class: "soft" }, `Nothing is taken away here: without the control the shop is built as ${one.instead}.`)];
  if (!weak) return [button("Break", "break", () => work.break(), { className: "main" }), attack, step, compare];
  return [attack, step, button("Check my fix", "check", () => work.check()), button("Fix", "fix", () => work.fix()), compare];
}

function underWay(work) {
  const stop = el("button", { type: "button", on: { click: () => work.stop() } }, "Stop");
  const next = work.waiting();
  if (!next) return [el("span", { class: "working" }, "working …"), stop];
  return [el("button", { type: "button", class: "main", on: { click: () => work.next() } }, "Next request"),
    el("button", { type: "button", on: { click: () => work.rest() } }, "All the rest"), stop,
    el("span", { class: "soft" }, "next: ", el("code", {}, shown(`${next.who} ${next.request}`)))];
}

function nextOne(one, all) {
  const after = all[all.indexOf(one) + 1];
  return el("p", { class: "next-one" }, after ? el("a", { href: `#/lab/${after.id}` }, `Next: ${shown(after.title)} →`) : null);
}

