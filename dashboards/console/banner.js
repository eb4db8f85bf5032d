// Whether the system is defended: the one line that stands above every page.

import { actionButton } from "./components/action.js";
import { byId, el, shown } from "./dom.js";
import { clock } from "./format.js";
import { act } from "./session.js";

/** Draw it from the message's `defence`. */
export function banner({ defence, config }) {
  const node = byId("banner");
  const { weakened, trial } = defence;
  const state = weakened.length ? "weakened" : trial ? "trial" : "defended";
  const key = JSON.stringify([state, weakened, trial]);
  node.hidden = false;
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.dataset.state = state;
  const option = config.state_dir_option;
  node.replaceChildren(...{ weakened: () => weak(weakened, option), trial: () => tried(trial), defended }[state]());
}

const defended = () => [el("strong", {}, "DEFENDED"), el("span", {}, "every control of the configuration is in force")];

function weak(weakened, option) {
  const since = Math.min(...weakened.map((one) => one.since));
  const names = weakened.map((one) => shown(one.what)).join(", ");
  const reset = actionButton("Reset", { run: () => act("/lab/reset"), command: `gatehouse lab reset${option}`, done: "Everything is in force again." });
  return [el("strong", {}, `${weakened.length} WEAKENED`), el("span", {}, `since ${clock(since * 1000).slice(0, 5)}: ${names}`), reset];
}

function tried(trial) {
  const back = actionButton("Back to the file", { run: () => act("/override", {}, "DELETE"), done: "The file holds again." });
  return [el("strong", {}, "TRIAL"), el("span", {}, `another configuration than the file's is in force since ${clock(trial.since * 1000).slice(0, 5)}: ${shown(trial.why)}`), back];
}
