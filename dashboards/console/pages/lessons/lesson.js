// One lesson: text and commands in turn, and a question at the end. Only the commands that stand in the lesson can be
// run; the server runs them in their order, each when its button is pressed, so each finds what those before it did.

import { perform } from "../../components/action.js";
import { badge } from "../../components/badge.js";
import { copyButton } from "../../components/code.js";
import { run, words } from "../../components/job.js";
import { elements } from "../../components/markdown.js";
import { el, setText, shown, shownLines } from "../../dom.js";
import { question } from "./question.js";

export function lesson(told, { right, next }) {
  const desk = bench(told.id);
  const number = { now: 0 };
  const steps = told.steps.flatMap((step) => [...elements(step.text), ...step.commands.map((one) => desk.command(one, number.now++))]);
  const whole = el("button", { type: "button", on: { click: () => void perform(whole, { run: () => desk.upTo(number.now), command: `gatehouse lesson run ${told.id}` }) } }, "Run all commands");
  const again = el("button", { type: "button", class: "quiet", on: { click: () => void desk.restart() } }, "Begin again");
  const head = el("header", { class: "lesson-head" }, el("div", {}, el("h2", {}, `${told.number} · ${shown(told.title)}`),
    el("p", { class: "marks" }, el("span", { class: "soft" }, `${told.minutes} minutes`), ...told.architectures.map((one) => badge(one)))), el("div", { class: "tools" }, whole, again));
  const end = next ? el("p", { class: "next-one" }, el("a", { href: `#/lessons/${next.id}` }, `Next: ${shown(next.title)} →`)) : null;
  const node = el("article", { class: "card lesson" }, head, el("div", { class: "text" }, ...steps), question(told, right), end);
  return { id: told.id, node, close: desk.close };
}

/** The commands of one lesson: a job that waits before each of them. */
function bench(id) {
  const commands = [];
  let job = null;
  let ended = 0; // how many commands have been run
  let wanted = 0;
  let failure = null;
  let asked = false;

  function command({ command: text, shown: expected, fails }, number) {
    const button = el("button", { type: "button", class: "quiet" }, "Run");
    const output = el("pre", { tabindex: "0" }, shownLines(expected.join("\n") || "(prints nothing)"));
    const state = el("p", { class: "soft state-line", role: "status" }, fails ? "What it prints; it ends with a failure, as it should" : "What it prints, … for whatever varies");
    button.addEventListener("click", () => void perform(button, { run: () => upTo(number + 1), command: text }));
    commands[number] = { button, output, state, tell: null };
    return el("section", { class: "typed-command", "aria-label": `Command ${number + 1}` },
      el("div", { class: "prompt" }, el("pre", { tabindex: "0" }, shownLines(text)), copyButton(text), button), state, output);
  }

  /** Run the commands as far as this one. */
  async function upTo(count) {
    if (count <= ended) throw new Error("It has been run. To run it again, press “Begin again”: the commands follow one another.");
    wanted = Math.max(wanted, count);
    const waiting = Promise.all(commands.slice(ended, count).map((one) => new Promise((go) => { one.tell = go; setText(one.state, "waits for those before it …"); })));
    if (!job) begin();
    else press();
    await waiting;
    if (failure) throw failure;
  }

  function begin() {
    failure = null;
    asked = false;
    const mine = { stop: null };
    job = mine;
    run("lesson-run", { lesson: id }, { onJob: (begun) => { Object.assign(mine, begun); press(); }, onLine: took })
      .then((done) => { if (job === mine) finish(ended < wanted ? new Error(words(done)) : null); }, (error) => job === mine && finish(error));
  }

  function press() {
    if (asked || ended >= wanted || !job?.step) return;
    asked = true;
    setText(commands[ended].state, "running …");
    job.step().catch((error) => finish(error));
  }

  function took(line) {
    const outcome = parsed(line);
    const one = commands[ended];
    if (!outcome || !one) return;
    asked = false;
    ended += 1;
    setText(one.output, shownLines(outcome.printed.trimEnd() || "(it printed nothing)"));
    one.output.classList.add("printed");
    one.state.replaceChildren(outcome.drift ? badge("not as the lesson shows", "refused") : badge("as the lesson shows", "good"), ` in ${outcome.seconds.toFixed(1)} s${outcome.drift ? `: this ${shown(outcome.drift)}` : ""}`);
    one.tell?.();
    press();
  }

  function finish(error) {
    if (error) void job?.stop?.().catch(() => {}); // it waits for a key that nobody presses any more
    job = null;
    failure = error;
    for (const one of commands.slice(ended)) one.tell?.();
  }

  async function restart() {
    await close();
    ended = wanted = 0;
    for (const one of commands) {
      setText(one.state, "What it printed before");
      one.output.classList.remove("printed");
    }
  }

  async function close() {
    const mine = job;
    job = null;
    failure = new Error("It was stopped.");
    for (const one of commands.slice(ended)) one.tell?.();
    await mine?.stop?.();
  }
  return { command, upTo, restart, close };
}

function parsed(line) {
  try {
    const found = JSON.parse(line);
    return typeof found.printed === "string" ? found : null;
  } catch {
    return null;
  }
}
