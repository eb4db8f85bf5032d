// Presenting: one thought on the wall at a time, in large type. Space or → does what the foot says and goes on, ← goes
// back, Escape ends. What is done is done for real, on the running system.

import { el, setText, shown } from "../../dom.js";
import { code } from "../../components/code.js";
import { toast } from "../../components/toast.js";
import { mayChange } from "../../session.js";
import { attackPath } from "./path.js";
import { tell } from "./scenario.js";
import { grid } from "./sides.js";

const ON = new Set([" ", "ArrowRight", "PageDown", "Enter"]);
const BACK = new Set(["ArrowLeft", "PageUp"]);

export function present(one, work) {
  if (document.querySelector("dialog.presenter")) return;
  const slides = one.instead ? architecture(one) : broken(one);
  const stage = el("div", { class: "stage", tabindex: "-1", autofocus: true });
  const foot = el("p", { class: "foot", role: "status" });
  const bar = el("p", { class: "soft" }, shown(one.id));
  const close = el("button", { class: "quiet", type: "button", on: { click: () => node.close() } }, "End (Esc)");
  const node = el("dialog", { class: "presenter", "aria-label": `Presenting: ${shown(one.title)}` }, el("header", {}, bar, close), stage, foot);
  const done = new Set();
  let number = 0;
  let drawn = null;

  work.onChange(refresh);
  work.onRequest(send);
  node.addEventListener("keydown", pressed);
  node.addEventListener("close", end);
  document.body.append(node);
  node.showModal();
  draw();

  function pressed(event) {
    if (event.target.closest("button, a, summary") && event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    if (ON.has(event.key)) onward();
    else if (BACK.has(event.key)) go(number - 1);
    else if (event.key === "a" && work.waiting()) void work.rest();
    else return;
    event.preventDefault();
  }

  function onward() {
    const slide = slides[number];
    if (work.waiting()) return void work.next();
    if (work.busy()) return;
    if (slide.act && !done.has(number)) return void perform(slide);
    go(number + 1);
  }

  async function perform(slide) {
    if (!mayChange()) return toast("This page may only look: open the console by the link that `gatehouse ps` prints.", "failing");
    const mine = number;
    try {
      await slide.act(work);
      done.add(mine);
    } catch (error) {
      toast(error.message, "failing");
    }
    refresh();
  }

  function go(wanted) {
    if (wanted < 0 || wanted >= slides.length || work.busy()) return;
    number = wanted;
    draw();
  }

  function draw() {
    drawn = slides[number].draw(one, work);
    stage.replaceChildren(...drawn.nodes);
    refresh();
  }

  function refresh() {
    drawn.refresh?.();
    setText(bar, `${one.id} · ${number + 1} of ${slides.length}`);
    setText(foot, prompt());
  }

  function prompt() {
    const slide = slides[number];
    if (work.waiting()) return `Space: ${work.waiting().who} sends ${shown(work.waiting().request)}   ·   A: all the rest`;
    if (work.busy()) return "working …";
    if (slide.act && !done.has(number)) return `Space: ${slide.verb}`;
    return number + 1 < slides.length ? "Space or →: go on   ·   ←: back" : "The end   ·   ←: back   ·   Esc";
  }

  function send(exchange) {
    drawn.send?.(exchange);
  }

  function end() {
    work.offChange(refresh);
    node.remove();
    if (location.hash.endsWith("?present")) history.replaceState(null, "", `#/lab/${one.id}`);
    if (work.weak() && !one.instead) toast("It is still weakened: press Fix, or Reset in the banner.", "failing");
  }
}

const broken = (one) => [
  slide(title), slide(weakness, "take the control away", (work) => (work.weak() ? null : work.break())),
  slide(attack, "attack, step by step", (work) => work.step()), slide(control, "put the control back", (work) => (work.weak() ? work.fix() : null)),
  slide(attack, "attack again", (work) => work.attack()), slide(compared), ...(one.wrong_fixes.length ? [slide(wrong)] : []),
  ...(one.questions.length ? one.questions.map((question) => slide(() => asked(question))) : []),
];

const architecture = (one) => [
  slide(title), slide(weakness), slide(attack, "attack what runs here", (work) => work.step()), slide(control),
  slide(compared, `run it on ${one.instead} and on ${one.architecture}`, (work) => work.compare()),
  ...(one.wrong_fixes.length ? [slide(wrong)] : []), ...one.questions.map((question) => slide(() => asked(question))),
];

const slide = (draw, verb = "", act = null) => ({ draw, verb, act });

const title = (one) => ({ nodes: [el("p", { class: "kicker" }, one.references.map(shown).join(" · ")), el("h2", {}, shown(one.title)), el("p", { class: "lead" }, shown(one.story))] });

function weakness(one, work) {
  const state = el("p", { class: "verdict" });
  const refresh = () => {
    state.dataset.tone = work.weak() ? "breached" : "stopped";
    state.replaceChildren(el("strong", {}, work.weak() ? "WEAKENED" : "DEFENDED"), el("span", {}, work.weak() ? " the control is away, on the running system" : " the control is in force"));
  };
  return { nodes: [el("p", { class: "kicker" }, one.instead ? "Built without the control" : "What is taken away"), el("ul", { class: "lead plain" }, ...one.weaknesses.map((text) => el("li", {}, shown(text)))), state], refresh };
}

function attack(one, work) {
  const picture = attackPath();
  const verdict = el("p", { class: "verdict" });
  const latest = el("p", { class: "latest mono" });
  const refresh = () => {
    const run = work.last();
    picture.draw(run, work.known(), work.services(), { where: one.control.where, weak: work.weak() });
    tell(verdict, run, work);
    const last = (run.honest.length ? run.honest : run.attack).at(-1);
    setText(latest, last ? `${shown(last.who)}: ${shown(last.request)} → ${last.status || "no answer"} ${shown(last.reason)}` : "");
  };
  return { nodes: [el("p", { class: "kicker" }, work.weak() ? "The attack" : "The same attack, with the control in force"), picture.node, latest, verdict], refresh,
    send: (exchange) => picture.send(exchange, work.known(), work.services()) };
}

const control = (one) => ({ nodes: [el("p", { class: "kicker" }, `The control lives in the ${one.control.where}`), el("h2", {}, shown(one.control.name)), code(one.control.lines, { block: true })] });

function compared(one, work) {
  const place = el("div");
  const refresh = () => place.replaceChildren(grid(work.side(true), work.side(false)));
  return { nodes: [el("p", { class: "kicker" }, "Both sides"), place], refresh };
}

const wrong = (one) => ({ nodes: [el("p", { class: "kicker" }, "What does not help"), el("ul", { class: "wrong" }, ...one.wrong_fixes.map(({ idea, why }) => el("li", {}, el("strong", {}, shown(idea)), el("span", {}, shown(why)))))] });

const asked = ({ question, answer }) => ({ nodes: [el("p", { class: "kicker" }, "Think"), el("h2", {}, shown(question)), el("details", { class: "lead" }, el("summary", {}, "The answer"), el("p", {}, shown(answer)))] });
