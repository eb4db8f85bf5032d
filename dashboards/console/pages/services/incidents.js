// Incidents: a fault under load, to be found from dashboards, logs and traces. What the page shows before the end tells
// no more than a learner may know.

import { option, perform } from "../../components/action.js";
import { done } from "../../components/job.js";
import { failed, panel } from "../../components/panel.js";
import { el, shown } from "../../dom.js";
import { clock, duration } from "../../format.js";
import { get, mayChange } from "../../session.js";

const EVERY_MS = 6000;

export function incidents() {
  const card = panel("Incidents", { note: "a fault under load: find service and cause" });
  const place = el("div", { class: "padded" });
  let timer = 0;
  let closed = false;
  let drawn = "";
  let report = null;
  card.body.append(place);
  if (mayChange()) void look();
  else place.replaceChildren(el("p", {}, "Open the console by the link that `gatehouse ps` prints, or start one in a terminal: ", el("code", {}, "gatehouse incident start --surprise")));

  async function look() {
    clearTimeout(timer);
    try {
      const told = await get("/incidents");
      if (closed) return;
      const key = JSON.stringify([told.status.state, told.status.ticket, told.status.answers, told.status.last?.restored_in_s, report?.incident]);
      if (key !== drawn) place.replaceChildren(...view(told));
      drawn = key;
      for (const node of place.querySelectorAll("[data-running]")) node.textContent = told.status.running_s === undefined ? "" : `for ${duration(told.status.running_s)}, ends by itself in ${duration(told.status.ends_in_s)}`;
      if (told.status.state !== "none") timer = setTimeout(look, EVERY_MS);
    } catch (error) {
      place.replaceChildren(failed("Not known just now", shown(error.message)));
      timer = setTimeout(look, EVERY_MS);
    }
  }

  /** Do something that takes a while, then look again. */
  const act = (button, command, given, after = () => {}) => perform(button, {
    run: async () => {
      const job = await done(command, given);
      after(job);
      drawn = "";
      await look();
    },
    command: `gatehouse ${command.replace("-", " ")} ${Object.values(given).join(" ")}${option()}`,
  });

  function view({ incidents: all, status }) {
    if (status.state === "none") return [...told(report ?? status.last), choose(all)];
    return [ticket(status), answers(status), answerForm(status)];
  }

  function choose(all) {
    const chosen = el("select", { id: "incident" }, ...all.map((one) => el("option", { value: one.id }, `${shown(one.kind)} (${one.minutes} min${one.architecture === "mesh" ? ", needs the mesh" : ""})`)));
    const start = el("button", { type: "button", on: { click: () => begin(start, "incident-start", { incident: chosen.value }) } }, "Start");
    const surprise = el("button", { type: "button", class: "main", on: { click: () => begin(surprise, "incident-surprise", {}) } }, "Surprise me");
    return el("div", { class: "fields" }, surprise, el("label", {}, "or this one", chosen), start);
  }

  function begin(button, command, given) {
    report = null;
    void act(button, command, given);
  }

  function answerForm({ causes, services, found }) {
    const service = el("select", { id: "culprit" }, ...services.map((one) => el("option", { value: one }, shown(one))));
    const cause = el("select", { id: "cause" }, ...Object.entries(causes).map(([id, text]) => el("option", { value: id }, shown(text))));
    const answer = el("button", { type: "button", class: "main", on: { click: () => void act(answer, "incident-answer", { service: service.value, cause: cause.value }) } }, "Answer");
    const end = el("button", { type: "button", on: { click: () => void act(end, "incident-end", {}, (job) => { report = JSON.parse(job.output.join("\n")); }) } }, found ? "End, and see what it was" : "Give up, and see what it was");
    return el("div", { class: "fields" }, el("label", {}, "Service", service), el("label", {}, "Cause", cause), answer, end);
  }
  return { node: card.node, close: () => { closed = true; clearTimeout(timer); } };
}

const ticket = (status) => el("div", { class: "ticket" }, el("strong", {}, status.state === "running" ? "An incident runs " : `${shown(status.state)} `, el("span", { "data-running": "" })),
  el("p", {}, shown(status.ticket ?? "")), status.compressed ? el("p", { class: "soft" }, shown(status.compressed)) : null);

const answers = ({ answers: given }) => el("ul", { class: "answers" }, ...(given ?? []).map((one) => el("li", { "data-right": String(one.right) },
  el("strong", {}, one.right ? "Right: " : "Not it: "), `${shown(one.service)}, ${shown(one.cause)}. ${shown(one.why ?? "")} ${shown(one.hint ?? "")}`)));

function told(report) {
  if (!report) return [el("p", {}, "Visitors come, then something breaks. Find out what, with the charts, the log and the traces; the end tells when it began, when it could be seen, and when the alert came.")];
  return [el("p", {}, el("strong", {}, `It was ${shown(report.incident)} at ${shown(report.service)}. `), shown(report.what)),
    el("ol", { class: "timeline" }, ...report.timeline.map((one) => el("li", {}, el("time", {}, one.at ? clock(one.at) : "–"), el("b", {}, shown(one.what)), el("span", {}, one.after_s === null ? "" : `after ${Math.round(one.after_s)} s`), el("span", { class: "soft" }, shown(one.told ?? ""))))),
    el("p", { class: "soft" }, `${shown(report.mend ?? "")} ${shown(report.compressed ?? "")}`)];
}
