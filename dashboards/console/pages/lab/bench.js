// The workbench of one scenario: what has been run, what is weakened, what is under way. Page and presenter look at the
// same one, and are told when it changes.

import { run as runJob, words } from "../../components/job.js";
import { latest } from "../../live.js";
import { clusters, newRun, ofSide, takeUp } from "./evidence.js";

const kept = new Map(); // scenario id → { without, with }: what was seen stays when another page is looked at

export function bench(one) {
  const seen = kept.get(one.id) ?? { without: null, with: null };
  kept.set(one.id, seen);
  const changed = new Set();
  const answered = new Set();
  let current = null;
  let job = null;
  let busy = false;
  let weak = false;
  let output = "";
  let line = "";
  let traces = new Map();
  let allTheRest = false;

  const tell = () => changed.forEach((call) => call());
  const given = { scenario: one.id };

  /** One command at a time; what it says is shown, and a failure is told by the button. */
  async function work(command, arguments_ = given, onLine = null) {
    busy = true;
    output = "";
    tell();
    try {
      const ended = await runJob(command, arguments_, { onLine, onJob: (begun) => { job = begun; line = begun.line.replace(" --events", ""); tell(); } });
      if (ended.state !== "done") throw new Error(words(ended));
      return ended;
    } finally {
      busy = false;
      job = null;
      if (current) current.next = null;
      tell();
    }
  }

  async function attack(command) {
    const run = current = newRun(weak || lacking());
    allTheRest = false;
    const ended = await work(command, given, (text) => {
      if (!takeUp(run, text)) return;
      const event = run[run.honest.length ? "honest" : "attack"].at(-1);
      if (event && !run.next && !run.outcome && run.honest.length === 0) answered.forEach((call) => call(event));
      if (run.next && allTheRest) void job?.step();
      tell();
    });
    if (!run.outcome) throw new Error(words(ended));
    seen[run.weak ? "without" : "with"] = run;
    await learn(run);
  }

  /** The gateway's own records say which service each request was for; they come within a second. */
  async function learn(run) {
    for (const pause of [200, 400, 800]) {
      await new Promise((go) => setTimeout(go, pause));
      traces = new Map([...traces, ...(await clusters())]);
      tell();
      if (run.attack.every((each) => each.local || !each.trace_id || traces.has(each.trace_id))) return;
    }
  }

  const lacking = () => Boolean(one.instead) && latest()?.config !== undefined && !meshed();
  const meshed = () => (latest()?.processes ?? []).some((each) => each.kind === "sidecar");

  async function plain(command) {
    const ended = await work(command);
    output = ended.output.filter((text) => !/^(Attack|Give up|Mend):/.test(text) || text.includes("config.yaml") || text.includes("mesh.yaml")).join("\n");
    tell();
    if (ended.exit_code !== 0 && command !== "lab-check") throw new Error(words(ended));
  }

  return {
    onChange: (call) => changed.add(call),
    offChange: (call) => changed.delete(call),
    onRequest: (call) => answered.add(call),
    last: () => current ?? seen.with ?? seen.without ?? newRun(weak),
    side: (without) => (without ? seen.without : seen.with),
    known: () => traces,
    services: () => new Set((latest()?.services ?? []).map((each) => each.name)),
    weak: () => weak || lacking(),
    busy: () => busy,
    waiting: () => current?.next ?? null,
    output: () => output,
    line: () => line,
    weakened(names) {
      weak = names.has(one.id);
      tell();
    },
    attack: () => attack("lab-attack"),
    step: () => attack("lab-step"),
    next() {
      if (current) current.next = null;
      tell();
      return job?.step();
    },
    rest() {
      allTheRest = true;
      return this.next();
    },
    stop: () => job?.stop(),
    break: () => plain("lab-break"),
    fix: () => plain("lab-fix"),
    check: () => plain("lab-check"),
    async compare() {
      const ended = await work("lab-run");
      const verdict = parsed(ended);
      seen.without = ofSide(verdict.without, true);
      seen.with = ofSide(verdict.with, false);
      current = seen.with;
      tell();
    },
    close() {
      changed.clear();
      answered.clear();
    },
  };
}

function parsed(ended) {
  try {
    return JSON.parse(ended.output.join("\n"));
  } catch {
    throw new Error(words(ended));
  }
}
