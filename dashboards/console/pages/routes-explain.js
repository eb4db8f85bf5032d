// Ask before sending: which route would serve a request, and what would each filter decide? Nothing is sent, no quota
// spent: it is `gatehouse explain` in a form.

import { option, perform } from "../components/action.js";
import { badge } from "../components/badge.js";
import { code } from "../components/code.js";
import { empty, panel } from "../components/panel.js";
import { el, shown } from "../dom.js";
import { commandResult } from "../components/job.js";
import { stepRow, step } from "./request.js";

const TRIES = [
  ["A stranger reads an order", { method: "GET", target: "/orders/1001", user: "nobody" }],
  ["The partner orders", { method: "POST", target: "/orders", user: "partner" }],
  ["Bob looks at the products", { method: "GET", target: "/products", user: "bob" }],
];

export function explainPart() {
  const fields = {
    method: el("select", {}, ...["GET", "POST", "PUT", "PATCH", "DELETE"].map((one) => el("option", {}, one))),
    target: el("input", { value: "/orders/1001", size: "30", required: true, pattern: "/.*", autocomplete: "off", spellcheck: "false" }),
    user: el("select", {}, ...["nobody", "alice", "bob", "carol", "admin", "partner"].map((one) => el("option", {}, one))),
    body: el("input", { size: "30", autocomplete: "off", spellcheck: "false", placeholder: "none" }),
  };
  const ask = el("button", { class: "main", type: "submit" }, "Explain");
  const result = el("div", { role: "status" }, empty("Nothing asked yet", "Fill in the form and press Explain, or press one of the examples."));
  const form = el("form", { class: "fields padded" }, label("Method", fields.method), label("Path and query", fields.target), label("As", fields.user), label("Body", fields.body), ask);
  const examples = el("p", { class: "examples" }, ...TRIES.map(([text, values]) => el("button", { class: "quiet", type: "button", on: { click: () => fill(values) } }, text)));
  const send = () => perform(ask, { command: commandOf(fields), run: async () => result.replaceChildren(...told(await answer(fields))) });
  const fill = (values) => {
    for (const [name, value] of Object.entries({ body: "", ...values })) fields[name].value = value;
    send();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  const card = panel("Explain a request", { note: "nothing is sent, no quota is spent" });
  card.body.append(form, examples, result);
  return { node: card.node };
}

const label = (text, input) => el("label", {}, text, input);
const commandOf = ({ method, target, user }) => `gatehouse explain ${method.value} '${target.value}' --as ${user.value}${option()}`;

function answer({ method, target, user, body }) {
  const asked = { method: method.value, target: target.value.trim(), user: user.value };
  return body.value ? commandResult("explain-with-body", { ...asked, body: body.value }) : commandResult("explain", asked);
}

const WORDS = { forward: "would pass it on", deny: "would refuse it", no_route: "has no route for it", local_reply: "would answer it by itself" };

function told(found) {
  const fine = found.outcome === "forward";
  const verdict = el("p", { class: "verdict" }, `GATEWAY ${WORDS[found.outcome] ?? found.outcome.replace("_", " ")} `,
    badge(String(found.status ?? found.cluster?.name ?? found.cluster ?? ""), fine ? "good" : "failing"), " ", found.reason ? badge(found.reason, "failing") : null,
    el("span", { class: "soft" }, ` ${shown(found.detail ?? "")}`));
  const route = found.route ? step("route", el("strong", {}, shown(found.route.name)), shown(found.route.matched ?? ""), found.route.where) : null;
  const others = (found.candidates ?? []).filter((one) => !one.chosen).map((one) => el("li", {}, el("strong", {}, shown(one.route)), ` ${shown(one.text)}`));
  return [verdict, el("ol", { class: "steps" }, route, ...found.steps.map((one, index) => stepRow(index + 1, one))),
    others.length ? el("details", { class: "padded" }, el("summary", {}, `Why not another route (${others.length})`), el("ul", {}, ...others)) : "",
    el("div", { class: "padded" }, code(`gatehouse call … sends it: gatehouse call ${shown(found.user ?? "nobody")} ${shown(found.method)} '${shown(found.target)}'${option()}`.replace(/^.*?: /, "")))];
}
