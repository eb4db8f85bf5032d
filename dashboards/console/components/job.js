// A command that the control process runs for this page: begun, followed line by line, stepped, ended.

import { act, get } from "../session.js";

/**
 * Run a command of the table in gateway/control/commands.py to its end; resolves to the job with its whole output.
 * `onLine(text)` gets each line as it comes, `onJob({ step, stop })` the ways to act on it once it has begun.
 */
export async function run(command, given = {}, { onLine = null, onJob = null } = {}) {
  const begun = await act("/jobs", { command, arguments: given });
  onJob?.({ ...begun, step: () => act(`/jobs/${begun.id}/step`), stop: () => act(`/jobs/${begun.id}`, {}, "DELETE") });
  return follow(begun.id, onLine);
}

async function follow(id, onLine) {
  const output = [];
  for (;;) {
    const job = await get(`/jobs/${id}?after=${output.length}`);
    for (const line of job.output) {
      output.push(line);
      onLine?.(line);
    }
    if (job.state !== "running") return { ...job, output };
  }
}

/** The same for a command that must end well: throws an Error with its last words. */
export async function done(command, given, ways) {
  const job = await run(command, given, ways);
  if (job.exit_code !== 0) throw new Error(words(job));
  return job;
}

/** What a job that failed says of it. */
export function words(job) {
  if (job.state === "cancelled") return "It was stopped; what it had done is taken back.";
  if (job.state === "overdue") return "It took too long, and was stopped.";
  return [...job.errors, ...job.output].filter(Boolean).join("\n").slice(-600) || `exit code ${job.exit_code}`;
}

/** The newest job of a command that ended well, with its output; null when there is none. */
export async function newest(command) {
  const { jobs } = await get("/jobs");
  const found = jobs.find((job) => job.command === command && job.exit_code === 0);
  return found ? get(`/jobs/${found.id}`) : null;
}

/** The job of a command that runs just now; null when none does. */
export async function running(command) {
  const { jobs } = await get("/jobs");
  return jobs.find((job) => job.command === command && job.state === "running") ?? null;
}

/** The JSON that a command prints, whatever its exit code. Throws an Error with what it complained of. */
export async function commandResult(command, given) {
  const job = await run(command, given);
  try {
    return JSON.parse(job.output.join("\n"));
  } catch {
    throw new Error(words(job));
  }
}
