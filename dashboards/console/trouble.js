// A changed configuration that was refused: told on every page, until one is accepted.

import { byId, el, shownLines } from "./dom.js";

export function trouble({ config }) {
  const section = byId("trouble");
  const failed = ["rejected", "rolled_back"].includes(config.last?.result);
  section.hidden = !failed;
  if (!failed || section.dataset.time === config.last.time) return;
  section.dataset.time = config.last.time;
  const who = config.last.result === "rejected" ? "The changed configuration was refused" : "A worker refused the changed configuration";
  section.replaceChildren(el("strong", {}, `${who}; version ${config.version} serves on.`), el("pre", {}, shownLines(config.last.errors.join("\n"))));
}
