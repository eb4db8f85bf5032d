// The lab: attacks that work, controls that stop them. At the left the catalogue, at the right one scenario, or how far
// each foothold reaches.

import { el, shown } from "../dom.js";
import { failed } from "../components/panel.js";
import { get } from "../session.js";
import { catalogue } from "./lab/catalogue.js";
import { radius } from "./lab/radius.js";
import { scenario } from "./lab/scenario.js";
import { welcome } from "./lab/welcome.js";

const RADIUS = "blast-radius";

export function open(root) {
  const place = el("div", { class: "lab-place" });
  const side = el("div", { class: "lab-side" });
  let scenarios = null;
  let weakened = new Set();
  let shownNow = null;
  let wanted = [[], {}];
  let list = null;
  root.append(el("h1", { class: "unseen" }, "Lab"), el("div", { class: "lab-columns" }, side, place));
  void load();

  async function load() {
    try {
      scenarios = (await get("/lab/scenarios")).scenarios;
      list = catalogue(scenarios);
      side.replaceChildren(list.node);
      list.weakened(weakened);
      show(...wanted);
    } catch (error) {
      place.replaceChildren(failed("The catalogue cannot be read", shown(error.message)));
    }
  }

  function show(rest, asked) {
    wanted = [rest, asked];
    if (!scenarios) return;
    const id = rest[0] ?? null;
    if (shownNow?.id !== id) {
      shownNow?.close?.();
      shownNow = { id, ...view(id) };
      place.replaceChildren(...shownNow.nodes);
      shownNow.weakened?.(weakened);
    }
    list.mark(id);
    shownNow.at?.(asked);
  }

  function view(id) {
    if (id === RADIUS) return radius();
    const chosen = scenarios.find((one) => one.id === id);
    if (chosen) return scenario(chosen, scenarios);
    return welcome(scenarios, id);
  }

  function live({ defence }) {
    const names = new Set(defence.weakened.map((one) => one.what));
    if (same(names, weakened)) return;
    weakened = names;
    list?.weakened(weakened);
    shownNow?.weakened?.(weakened);
  }
  return { live, at: show, close: () => shownNow?.close?.() };
}

const same = (one, other) => one.size === other.size && [...one].every((each) => other.has(each));
