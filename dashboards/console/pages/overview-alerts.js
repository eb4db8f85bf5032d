// One line about alerts: which fire, or that nobody evaluates any.

import { badge } from "../components/badge.js";
import { el, shown } from "../dom.js";
import { clock } from "../format.js";

/** Returns { node, show(alerts) }; `alerts` is the message's, absent where nobody could evaluate any. */
export function alertLine() {
  const node = el("p", { class: "alerts", role: "status" });
  const show = (alerts) => {
    const key = JSON.stringify(alerts ?? null);
    if (node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...words(alerts));
  };
  return { node, show };
}

function words(alerts) {
  if (!alerts?.evaluated) return [el("span", { class: "soft" }, `No alerts are evaluated${alerts?.why ? `: ${shown(alerts.why)}` : "."}`)];
  const firing = alerts.alerts.filter((one) => one.state === "firing");
  if (firing.length === 0) return [badge("no alert fires", "good"), el("span", { class: "soft" }, ` ${alerts.alerts.length} pending`)];
  return firing.slice(0, 4).flatMap((one) => [
    badge(one.name, "failing"), ` ${shown(one.summary)} `, el("span", { class: "soft" }, `since ${clock(one.since)} `)]);
}
