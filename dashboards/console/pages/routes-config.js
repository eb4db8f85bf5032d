// The configuration as a text: read it, change it, see what that would mean, try it, go back. The file is not touched.

import { actionButton, option, perform } from "../components/action.js";
import { badge } from "../components/badge.js";
import { code, copyButton } from "../components/code.js";
import { diff } from "../components/diff.js";
import { empty, failed, panel } from "../components/panel.js";
import { table } from "../components/table.js";
import { el, setText, shown, shownLines } from "../dom.js";
import { clock, millis } from "../format.js";
import { act, get, mayChange } from "../session.js";
import { editor } from "./config-editor.js";

const OUTCOMES = { accepted: "good", unchanged: "", rejected: "failing", rolled_back: "failing" };

export function configPart() {
  const text = editor();
  const verdict = el("div", { role: "status", class: "padded" });
  const tools = el("div", { class: "config-tools" });
  const card = panel("Configuration", { className: "config-card" });
  const outcome = panel("What it would change");
  const history = historyPanel((version) => back(version));
  outcome.body.append(verdict);
  verdict.append(empty("Nothing changed yet", "Edit the text or load a file, then press See the diff."));
  const load = filePicker((content) => { text.set(content); check(); });
  const seen = actionButton("See the diff", { run: () => check(), className: "main" });
  const tried = actionButton("Put it in force", { run: () => attempt(act("/config/try", { text: text.get() })), help: "As a trial, until you go back; the file is not touched" });
  const file = actionButton("Back to the file", { run: () => attempt(act("/override", {}, "DELETE")) });
  const reload = actionButton("Reload", { run: () => attempt(act("/reload")), get command() { return `gatehouse reload${option()}`; }, help: "Read the file now" });
  tools.append(seen, tried, file, reload, load, copyButton(() => text.get(), "Copy the text"));
  card.body.append(tools, text.node);

  async function refresh(line) {
    if (!mayChange()) return closed(card.body);
    const document = await get("/config/text");
    setText(text.title, shown(document.file.split("/").at(-1)));
    text.title.title = document.file;
    text.set(document.text, line);
    card.note(document.override ? `a trial since ${clock(document.override.since * 1000)}: ${document.override.why}` : "the file's");
    file.hidden = !document.override;
    history.kept(document.kept);
  }
  async function check() {
    verdict.replaceChildren(...judged(await act("/config/check", { text: text.get() })));
  }
  async function attempt(asked) {
    try {
      const result = await asked;
      verdict.replaceChildren(el("p", {}, badge(result.result.replace("_", " "), OUTCOMES[result.result]), ` version ${result.version}, ${millis(result.duration_ms)}`));
    } catch (error) {
      verdict.replaceChildren(failed("It was refused; what was in force stays", el("pre", {}, shownLines(error.message))));
    }
    await refresh();
  }
  const back = (version) => attempt(act("/config/back", { version }));
  return {
    node: el("div", { class: "config-grid" }, card.node, el("div", { class: "stack" }, outcome.node, history.node)),
    live: ({ config }) => history.results(config),
    at: (_, asked) => refresh(Number(asked.line) || null).catch((error) => card.body.prepend(failed("The text cannot be shown", error.message))),
  };
}

function closed(body) {
  body.replaceChildren(empty("The text is shown only to those who may change it", "It may hold secrets. Open the console by the link that this prints:", code(`gatehouse ps${option()}`)));
}

function judged({ ok, errors, diff: lines, changes }) {
  if (!ok) return [failed("It would be refused", el("pre", {}, shownLines(errors.join("\n"))))];
  if (lines.length === 0) return [el("p", {}, badge("the same", "good"), " Nothing would change.")];
  const meaning = changes.length ? el("ul", {}, ...changes.map((one) => el("li", {}, shown(one)))) : el("p", {}, "Only words: nothing that requests meet would change.");
  return [el("p", {}, badge("it can be loaded", "good")), meaning, diff(lines)];
}

function filePicker(take) {
  const input = el("input", { type: "file", accept: ".yaml,.yml", class: "unseen", tabindex: "-1", "aria-label": "A configuration file" });
  const button = el("button", { type: "button", on: { click: () => input.click() } }, "Load a file …");
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) perform(button, { run: async () => take(await file.text()) });
  });
  return el("span", {}, button, input);
}

/** What was in force lately and can come back, and how the latest reloads went. */
function historyPanel(back) {
  const card = panel("Versions", { note: "the latest ten texts that were in force" });
  const versions = table("Versions to go back to", [
    { title: "Version", cell: (one) => String(one.version) },
    { title: "Since", cell: (one) => clock(one.time) },
    { title: "From", cell: (one) => shown(one.why) },
    { title: "", num: true, cell: (one) => actionButton("Roll back to it", { className: "quiet", run: () => back(one.version) }), fill() {} },
  ], (one) => one.version);
  const last = el("p", { class: "padded soft" });
  card.body.append(versions.node, last);
  return {
    node: card.node,
    kept: (kept) => versions.show(kept, ["None yet", "Versions are kept from the start of the control process on."]),
    results: ({ last: result }) => setText(last, result ? `Last reload at ${clock(result.time)}: ${result.result.replace("_", " ")}, asked by ${result.trigger}.` : ""),
  };
}
