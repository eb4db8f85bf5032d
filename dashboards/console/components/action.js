// A button that changes something: one at a time, and what came of it is told. A page that was opened without the
// link of `gatehouse up` may only look: then the button says which command does the same.

import { el } from "../dom.js";
import { latest } from "../live.js";
import { mayChange } from "../session.js";
import { code } from "./code.js";
import { confirmed, openDialog } from "./dialog.js";
import { toast } from "./toast.js";

/**
 * `run()` does it and throws an Error with words for people; `command` does the same in a terminal; `confirm` is
 * { title, text, yes }, asked before; `done` is told afterwards (text, or a function of what `run` returned).
 */
export function actionButton(label, { run, command = null, confirm = null, done = null, className = "", help = null }) {
  const button = el("button", { type: "button", class: className, title: help }, label);
  button.addEventListener("click", () => perform(button, { run, command, confirm, done }));
  return button;
}

/** The same for something else than a click on such a button (a form, for example). */
export async function perform(button, { run, command = null, confirm = null, done = null }) {
  if (!mayChange()) return onlyLooking(command);
  if (confirm && !(await confirmed(confirm.title, confirm.text, confirm.yes))) return;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    const result = await run();
    const words = typeof done === "function" ? done(result) : done;
    if (words) toast(words, "good");
  } catch (error) {
    toast(error.message, "failing");
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

function onlyLooking(command) {
  const link = [el("p", {}, "The right to change things comes with the console's link, which this prints:"), code(`gatehouse ps${option()}`)];
  const rather = command ? [el("p", {}, "Or do the same in a terminal:"), code(command)] : [];
  openDialog("This page may only look", [...link, ...rather], { className: "small" });
}

/** What a command must say to mean this instance: `gatehouse traffic start${option()}`. */
export const option = () => latest()?.config.state_dir_option ?? "";
