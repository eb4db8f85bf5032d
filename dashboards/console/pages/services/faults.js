// Failures planted in front of a service, on purpose: on a route, for a share of its requests.

import { actionButton, perform } from "../../components/action.js";
import { badge } from "../../components/badge.js";
import { empty, panel } from "../../components/panel.js";
import { el, shown } from "../../dom.js";
import { act, get } from "../../session.js";

export function faults() {
  const card = panel("Faults", { note: "planted by the gateway, for a share of a route's requests" });
  const route = el("select", { id: "fault-route" });
  const delay = field("number", "Delay, ms", { min: 0, max: 30_000, step: 50, value: 800 });
  const late = field("number", "of requests, %", { min: 0, max: 100, value: 50 });
  const status = field("number", "Answer status", { min: 400, max: 599, value: 503 });
  const broken = field("number", "to requests, %", { min: 0, max: 100, value: 0 });
  const button = el("button", { type: "submit" }, "Plant");
  const form = el("form", { class: "fields" }, el("label", {}, "Route", route), delay.node, late.node, status.node, broken.node, button);
  const planted = el("div", { class: "planted" });
  let version = null;
  card.body.append(el("div", { class: "padded" }, form, planted));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void perform(button, { run: plant, done: "Planted. Watch what it does to others.", command: null });
  });

  async function plant() {
    const body = {};
    if (late.value() && delay.value()) body.delay = { percent: late.value(), ms: delay.value() };
    if (broken.value()) body.abort = { percent: broken.value(), status: status.value() };
    await act(`/faults/${encodeURIComponent(route.value)}`, body, "PUT");
  }

  async function refresh() {
    const { routes } = await get("/faults");
    const before = route.value;
    route.replaceChildren(...routes.map(({ name }) => el("option", { value: name }, shown(name))));
    if (routes.some(({ name }) => name === before)) route.value = before;
    const there = routes.filter((one) => one.faults);
    planted.replaceChildren(...(there.length ? there.map(entry) : [empty("Nothing is planted", "Choose a route and a share, and press Plant. Your configuration file is not touched.")]));
  }

  // The list changes only with the configuration.
  function live({ config }) {
    if (config.version === version) return;
    version = config.version;
    refresh().catch((error) => planted.replaceChildren(empty("Not known just now", shown(error.message))));
  }
  return { node: card.node, live };
}

function entry({ name, faults: { delay, abort } }) {
  const take = actionButton("Take out", { run: () => act(`/faults/${encodeURIComponent(name)}`, {}, "DELETE"), done: `Nothing is planted on ${name} any more.` });
  return el("div", { class: "planted-one" }, el("strong", {}, shown(name)),
    delay ? badge(`${delay.percent} % are ${seconds(delay.duration)} late`, "refused") : null,
    abort ? badge(`${abort.percent} % ${abort.status ? `answered ${abort.status}` : "broken off"}`, "failing") : null, take);
}

const seconds = (value) => (value < 1 ? `${Math.round(value * 1000)} ms` : `${value} s`);

function field(type, label, properties) {
  const input = el("input", { type, ...properties });
  return { node: el("label", {}, label, input), value: () => (Number.isNaN(input.valueAsNumber) ? 0 : input.valueAsNumber) };
}
