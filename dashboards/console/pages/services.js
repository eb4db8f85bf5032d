// Services: every process of this instance, what it does just now, and whatever can be done to it.

import { act } from "../session.js";
import { actionButton, option } from "../components/action.js";
import { el, setText } from "../dom.js";
import { memory } from "../format.js";
import { detail } from "./services/detail.js";
import { faults } from "./services/faults.js";
import { incidents } from "./services/incidents.js";
import { processes } from "./services/list.js";

export function open(root) {
  const sentence = el("p", { class: "soft" });
  const traffic = trafficButton();
  const list = processes();
  const chosen = detail();
  const planted = faults();
  const trouble = incidents();
  root.append(
    el("div", { class: "page-head" }, el("div", {}, el("h1", {}, "Services"), sentence), traffic.node),
    el("div", { class: "services-columns" }, list.node, chosen.node),
    el("div", { class: "columns even" }, planted.node, trouble.node),
  );
  return {
    live(message) {
      setText(sentence, summary(message.processes));
      traffic.live(message);
      list.live(message);
      chosen.live(message);
      planted.live(message);
    },
    at([name]) {
      list.mark(name ?? null);
      chosen.choose(name ?? null);
    },
    close() {
      chosen.close();
      trouble.close();
    },
  };
}

function summary(all) {
  if (all.length === 0) return "The supervisor does not answer just now.";
  const running = all.filter((one) => one.state === "running").length;
  const restarts = all.reduce((sum, one) => sum + (one.restarts ?? 0), 0);
  const bytes = all.reduce((sum, one) => sum + (one.pss_bytes ?? one.rss_bytes ?? 0), 0);
  const busy = all.reduce((sum, one) => sum + (one.cpu_percent ?? 0), 0);
  const again = restarts ? `, ${restarts} started again after an end` : "";
  return `${running} of ${all.length} processes run${again}; together ${memory(bytes)} of memory and ${Math.round(busy)} % of one core.`;
}

function trafficButton() {
  let running = false;
  const button = actionButton("Start traffic", {
    className: "main",
    run: () => act("/traffic", { action: running ? "stop" : "start" }),
    command: `gatehouse traffic start${option()}`,
    done: () => (running ? "The traffic stops." : "Traffic flows: a few requests a second, some of them refused."),
  });
  const live = ({ traffic }) => {
    running = traffic === "running";
    button.hidden = traffic === "absent";
    button.dataset.running = String(running);
    setText(button, running ? "Stop traffic" : "Start traffic");
  };
  return { node: button, live };
}
