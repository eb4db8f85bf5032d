// A request once more: as a curl command to copy, or sent from here by `gatehouse call`. Query strings of the past are
// known, bodies and tokens are not (nothing keeps them), so both can be edited and filled in.

import { perform } from "../components/action.js";
import { badge } from "../components/badge.js";
import { openDialog } from "../components/dialog.js";
import { commandResult } from "../components/job.js";
import { el, shownLines } from "../dom.js";
import { millis } from "../format.js";
import { latest } from "../live.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const hasBody = (method) => ["POST", "PUT", "PATCH"].includes(method);

/** The command that sends it again, with a token of the same user where there was one. */
export function curlOf({ method, target, host, subject }) {
  const option = latest()?.config.state_dir_option ?? "";
  const words = ["curl", "-i", ...(method === "GET" ? [] : ["-X", method]), quoted(`http://${host}${target}`)];
  if (subject) words.push("-H", `"Authorization: Bearer $(gatehouse token ${subject}${option})"`);
  if (hasBody(method)) words.push("-H", quoted("Content-Type: application/json"), "--data", quoted("{}"));
  return words.join(" ");
}

/** Open a form, filled in with that request. */
export async function replay({ method, target, subject }) {
  const fields = {
    user: el("input", { value: subject || "nobody", size: "12", autocomplete: "off" }),
    method: el("input", { value: method, size: "8", autocomplete: "off" }),
    target: el("input", { value: target, size: "34", autocomplete: "off", class: "grow" }),
    body: el("textarea", { rows: hasBody(method) ? "6" : "2", spellcheck: "false" }),
  };
  const result = el("div", { class: "result", role: "status" });
  const send = el("button", { type: "submit", class: "main" }, "Send");
  const form = el("form", { class: "replay" },
    el("div", { class: "fields" }, label("User", fields.user), label("Method", fields.method), label("Path and query", fields.target)),
    label(hasBody(method) ? "Body (the first one is not kept)" : "Body", fields.body), el("p", {}, send), result);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    perform(send, { run: async () => { result.replaceChildren("Sending …"); result.replaceChildren(...answer(await sent(fields))); } }).then(() => {
      if (result.textContent === "Sending …") result.replaceChildren();
    });
  });
  openDialog("Send it again", [form], { note: "Sent by gatehouse call, with a fresh token of that user." });
}

const label = (text, input) => el("label", {}, text, input);

function sent({ user, method, target, body }) {
  const call = { user: user.value.trim(), method: method.value.trim(), target: target.value.trim() };
  return body.value ? commandResult("call-with-body", { ...call, body: body.value }) : commandResult("call", call);
}

function answer({ status, headers, body, trace_id: trace, seconds }) {
  const tone = status >= 500 ? "failing" : status >= 400 ? "refused" : "good";
  const text = typeof body === "string" ? body : JSON.stringify(body, null, 2);
  const link = trace ? el("a", { href: `#/requests/${encodeURIComponent(trace)}`, on: { click: (event) => event.target.closest("dialog").close() } }, "What happened to it") : null;
  const head = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  return [
    el("p", {}, badge(String(status), tone), ` in ${millis(seconds * 1000)} `, link),
    el("pre", { tabindex: "0" }, shownLines(`${head}\n\n${text.slice(0, 20_000)}`)),
  ];
}
