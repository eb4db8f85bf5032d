// The question at the end of a lesson, judged by the lesson itself.

import { option, perform } from "../../components/action.js";
import { commandResult } from "../../components/job.js";
import { elements } from "../../components/markdown.js";
import { el, shown } from "../../dom.js";
import { remember } from "./memory.js";

export function question(lesson, right) {
  const { text, choices } = lesson.question;
  const verdict = el("p", { class: "verdict", role: "status" });
  const button = el("button", { type: "submit", class: "main" }, "Answer");
  const word = choices.length ? null : el("input", { type: "text", required: true, maxlength: 200, autocomplete: "off" });
  const fields = word ? [el("label", {}, "Your answer", word)] : [el("fieldset", {}, el("legend", { class: "unseen" }, "Your answer"), ...choices.map((one, index) => choice(one, index)))];
  const form = el("form", { class: "question" }, el("h3", {}, "Question"), ...elements(without(text, choices)), ...fields, el("div", { class: "tools" }, button), verdict);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = word ? word.value : new FormData(form).get("choice");
    void perform(button, { run: () => judge(String(given)), command: `gatehouse lesson answer ${lesson.number} ${given}${option()}` });
  });

  async function judge(given) {
    const found = await commandResult("lesson-answer", { lesson: lesson.id, text: given });
    verdict.dataset.tone = found.right ? "stopped" : "breached";
    verdict.replaceChildren(el("strong", {}, found.right ? "RIGHT" : "NOT YET"), ` ${shown(found.why)}`);
    if (!found.right) return;
    remember(lesson.id);
    right();
  }
  return form;
}

function choice({ answer, text }, index) {
  return el("label", { class: "choice" }, el("input", { type: "radio", name: "choice", value: answer, required: true, checked: false, id: `choice-${index}` }), el("b", {}, shown(answer)), el("span", {}, shown(text)));
}

// The choices stand in the text as a list, too; here they are fields.
const without = (text, choices) => (choices.length ? text.filter(({ tag }) => tag !== "ul" && tag !== "ol") : text);
