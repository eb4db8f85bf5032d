// A command of `gatehouse` that the control process runs for us (POST /jobs), and the JSON that it prints.

import { act, get } from "../session.js";

/** Run it to its end. Throws an Error with what it complained of. */
export async function commandResult(command, words) {
  let job = await act("/jobs", { command, arguments: words });
  do job = await get(`/jobs/${job.id}?after=0`); while (job.state === "running");
  try {
    return JSON.parse(job.output.join("\n"));
  } catch {
    throw new Error(job.errors.join("\n") || `${job.line}: ${job.state}`);
  }
}
