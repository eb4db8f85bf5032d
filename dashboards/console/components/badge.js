// Small words in boxes. Colour never says anything alone: the word does.

import { el, shown } from "../dom.js";

/** A word with a tone: "", good, refused (a warning), failing, accent. */
export const badge = (word, tone = "", title = null) => el("span", { class: `badge ${tone}`, title }, shown(word));

/** A state with its dot: running, starting, stopped, backoff, … */
export const state = (word) => el("span", { class: "state", "data-state": shown(word) }, shown(word));

/** Change what `state` made. */
export function setState(node, word) {
  node.dataset.state = word;
  if (node.textContent !== word) node.textContent = shown(word);
}
