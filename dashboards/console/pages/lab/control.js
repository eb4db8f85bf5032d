// What there is to learn: the control, its lines, what does not help, hints, and questions with their answers.

import { code } from "../../components/code.js";
import { panel } from "../../components/panel.js";
import { el, shown } from "../../dom.js";

export function lesson(one) {
  return [el("div", { class: "columns even" }, control(one), el("div", { class: "column" }, wrong(one), hints(one)))];
}

function control({ control: { name, where, lines, elsewhere }, weaknesses }) {
  const card = panel("The control", { note: `lives in the ${where}` });
  card.body.append(el("div", { class: "padded" }, el("p", {}, el("strong", {}, shown(name))),
    code(lines, { block: true }),
    el("div", {}, el("p", { class: "soft" }, "Broken, it is so:"), el("ul", { class: "plain" }, ...weaknesses.map((text) => el("li", {}, shown(text))))),
    elsewhere ? el("details", {}, el("summary", {}, "The same elsewhere"), code(elsewhere, { block: true })) : null));
  return card.node;
}

function wrong({ wrong_fixes: fixes }) {
  const card = panel("What does not help");
  card.body.append(el("ul", { class: "padded wrong" }, ...fixes.map(({ idea, why }) => el("li", {}, el("strong", {}, shown(idea)), el("span", {}, shown(why))))));
  return card.node;
}

function hints({ hints: all, questions }) {
  const card = panel("Hints and questions");
  const entry = (title, text) => el("details", {}, el("summary", {}, title), el("p", {}, shown(text)));
  card.body.append(el("div", { class: "padded" },
    ...all.map((text, index) => entry(`Hint ${index + 1} of ${all.length}`, text)),
    ...questions.map(({ question, answer }) => entry(shown(question), answer))));
  return card.node;
}
