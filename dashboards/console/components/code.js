// Something to copy: a command, a query, a piece of configuration.

import { el, setText, shownLines } from "../dom.js";
import { toast } from "./toast.js";

/** One line or a block with a button that copies it. */
export function code(text, { block = false, label = "Copy" } = {}) {
  const body = block ? el("pre", { tabindex: "0" }, shownLines(text)) : el("code", {}, shownLines(text));
  return el("div", { class: block ? "code block" : "code" }, body, copyButton(text, label));
}

/** A button that copies what `text` is (or returns) when it is pressed. */
export function copyButton(text, label = "Copy") {
  const button = el("button", { class: "quiet", type: "button" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? await text() : text);
      setText(button, "Copied");
      setTimeout(() => setText(button, label), 1500);
    } catch (error) {
      toast(`Not copied: ${error.message}`, "failing");
    }
  });
  return button;
}
