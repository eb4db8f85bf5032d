// One run of an attack, from the events that `gatehouse lab attack --events` prints: what was sent, by whom, where it
// came to its end, and what all of it came to.

import { get } from "../../session.js";

/** A run that fills up as events come. `weak`: whether the control was off when it began; the first event knows. `gone`: whether the shop with its traces is. */
export function newRun(weak) {
  return { weak, attack: [], honest: [], outcome: null, next: null, gone: false };
}

/** Take up one line; false for what is no event. */
export function takeUp(run, line) {
  const event = parsed(line);
  if (event?.event === "begin") run.weak = event.weakened;
  else if (event?.event === "exchange") run[event.phase].push(event);
  else if (event?.event === "outcome") run.outcome = event;
  else if (event?.event !== "next") return false;
  run.next = event.event === "next" ? event : null;
  return true;
}

function parsed(line) {
  try {
    const found = JSON.parse(line);
    return typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}

/** A run of `gatehouse lab run --json`: one side of its verdict. It was on a shop of the lab's own, which is gone. */
export function ofSide(side, weak) {
  const { breached, got, measures, benign, requests } = side;
  return { weak, attack: side.attack, honest: side.honest, outcome: { breached, got, measures, benign, requests }, next: null, gone: true };
}

/** Which service each request was for, by its trace id: the gateway's own records know it. */
export async function clusters() {
  const { requests } = await get("/requests?limit=500");
  return new Map(requests.filter((one) => one.trace_id && one.upstream_cluster).map((one) => [one.trace_id, one.upstream_cluster]));
}

/** Where a request came to its end: { via: "gateway" | null, service, stopped: "gateway" | "service" | null, why }. */
export function way(one, known, services) {
  const said = one.request.split(" ");
  const direct = services.has(one.at) ? one.at : services.has(said[0]) ? said[0] : null;
  const via = direct ? null : "gateway";
  const stoppedAtGateway = via && (one.local || one.policy !== "");
  const service = direct ?? (stoppedAtGateway ? null : (known.get(one.trace_id) ?? guess(one.request, services)));
  const refused = one.status === 0 || one.status >= 400;
  return { via, service, stopped: stoppedAtGateway ? "gateway" : refused ? "service" : null, why: one.reason || (one.status ? String(one.status) : "no answer") };
}

// Before the records have come: the shop's paths begin with the service's business.
const BEGINS = [["/orders", "orders"], ["/products", "orders"], ["/profiles", "profiles"], ["/auth", "identity"], ["/users", "identity"],
  ["/graphql", "storefront"], ["/alerts", "alerts"], ["/reports", "reports"], ["/recommendations", "recommendations"]];

function guess(request, services) {
  const path = request.split(" ").find((word) => word.startsWith("/")) ?? "";
  const found = BEGINS.find(([start]) => path.toLowerCase().startsWith(start));
  return found && services.has(found[1]) ? found[1] : "storefront";
}
