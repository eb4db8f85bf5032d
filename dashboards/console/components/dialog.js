// A dialog: modal, closed by Escape, by its button, or by a click beside it; focus goes back to where it was.

import { el } from "../dom.js";

let count = 0;

/** Open one. `content` are elements; returns { node, body, close }. `onClose` is called once, however it is closed. */
export function openDialog(title, content, { note = "", className = "", actions = [], onClose } = {}) {
  const id = `dialog-${++count}`;
  const close = el("button", { class: "quiet", type: "button", on: { click: () => node.close() } }, "Close");
  const body = el("div", { class: "body" }, ...content);
  const words = el("div", {}, el("h2", { id }, title), el("p", {}, note));
  const foot = actions.length ? el("footer", {}, ...actions) : null;
  const node = el("dialog", { class: `dialog ${className}`, "aria-labelledby": id }, el("header", {}, words, close), body, foot);
  node.addEventListener("click", (event) => event.target === node && node.close());
  node.addEventListener("close", () => { node.remove(); onClose?.(); });
  document.body.append(node);
  node.showModal();
  return { node, body, close: () => node.close() };
}

/** Ask before something is done; resolves to whether to do it. */
export function confirmed(title, text, yes = "Go on") {
  return new Promise((answer) => {
    let agreed = false;
    const go = el("button", { class: "main", type: "button", on: { click: () => { agreed = true; opened.close(); } } }, yes);
    const no = el("button", { type: "button", on: { click: () => opened.close() } }, "Cancel");
    const opened = openDialog(title, [el("p", {}, text)], { className: "small", actions: [no, go], onClose: () => answer(agreed) });
  });
}
