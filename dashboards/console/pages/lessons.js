// Lessons: at the left the list, at the right one lesson, whose commands run with a button.

import { failed, panel } from "../components/panel.js";
import { el, keyed, setText, shown } from "../dom.js";
import { get } from "../session.js";
import { lesson } from "./lessons/lesson.js";
import { answeredRightly } from "./lessons/memory.js";

export function open(root) {
  const card = panel("Lessons", { className: "contents" });
  const items = el("ol", { class: "lesson-list" });
  const place = el("div", { class: "lesson-place" });
  let all = null;
  let now = null;
  let wanted = null;
  card.body.append(items);
  root.append(el("h1", { class: "unseen" }, "Lessons"), el("div", { class: "lessons-columns" }, el("div", { class: "lab-side" }, card.node), place));
  void load();

  async function load() {
    try {
      all = (await get("/lessons")).lessons;
      await show(wanted);
    } catch (error) {
      place.replaceChildren(failed("The lessons cannot be read", shown(error.message)));
    }
  }

  async function show(id) {
    wanted = id;
    if (!all) return;
    const chosen = all.find((one) => one.id === id) ?? all[0];
    list(chosen.id);
    if (now?.id === chosen.id) return;
    now?.close();
    now = { id: chosen.id, close() {} };
    place.replaceChildren(el("p", { class: "empty" }, "Opening …"));
    try {
      const made = lesson(await get(`/lessons/${chosen.id}`), { right: () => list(chosen.id), next: all[all.indexOf(chosen) + 1] ?? null });
      if (now.id !== chosen.id) return made.close();
      now = { ...made, id: chosen.id };
      place.replaceChildren(made.node);
    } catch (error) {
      place.replaceChildren(failed("This lesson cannot be read", shown(error.message)));
    }
  }

  function list(marked) {
    const done = answeredRightly();
    card.note(`${all.filter((one) => done.has(one.id)).length} of ${all.length} answered`);
    keyed(items, all, (one) => one.id, item, (line, one) => {
      const link = line.firstElementChild;
      if (one.id === marked) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      setText(link.firstElementChild, done.has(one.id) ? "✓" : String(one.number));
      link.firstElementChild.classList.toggle("right", done.has(one.id));
    });
  }
  return { at: ([id]) => void show(id ?? null), close: () => now?.close() };
}

function item(one) {
  return el("li", {}, el("a", { href: `#/lessons/${one.id}` }, el("span", { class: "number" }), el("span", { class: "title" }, shown(one.title)),
    el("small", {}, `${one.minutes} min${one.architectures.length > 1 ? `, ${one.architectures.join(" and ")}` : ""}`)));
}
