// Clusters: circuit breakers and endpoints, as the workers see them just now.

import { badge } from "../components/badge.js";
import { polled } from "../components/polled.js";
import { panel } from "../components/panel.js";
import { table } from "../components/table.js";
import { el, shown } from "../dom.js";

export function clustersPart() {
  const clusters = table("Clusters and their circuit breakers", CLUSTERS, (one) => one.name);
  const endpoints = table("Endpoints and their health", ENDPOINTS, (one) => `${one.cluster} ${one.address}`);
  const breakers = panel("Clusters", { note: "a breaker opens when its threshold is reached: then requests are refused at once instead of waiting" });
  const health = panel("Endpoints", { note: "healthy only if every worker says so" });
  breakers.body.append(clusters.node);
  health.body.append(endpoints.node);
  const poll = polled("/clusters", (answer) => {
    clusters.show(answer.clusters, ["No clusters", "The configuration has none."]);
    endpoints.show(answer.clusters.flatMap((one) => one.endpoints.map((endpoint) => ({ cluster: one.name, ...endpoint }))), ["No endpoints", "Start a service on the page Services."]);
  }, breakers.body);
  return { node: el("div", { class: "stack" }, breakers.node, health.node), live: poll, at: poll };
}

function breaker(name) {
  return {
    title: name, num: true,
    cell: ({ thresholds }) => (thresholds[name] ? `${thresholds[name].now} of ${thresholds[name].most}` : "–"),
    tone: ({ thresholds }) => (thresholds[name]?.open.length ? "failing" : thresholds[name]?.now ? "" : "none"),
  };
}

function circuit({ thresholds, panicking }) {
  const open = Object.entries(thresholds).filter(([, one]) => one.open.length).map(([name]) => name);
  if (panicking.length) return badge("panic: uses all endpoints", "failing");
  return open.length ? badge(`open: ${open.join(", ")}`, "failing") : badge("closed", "good");
}

const CLUSTERS = [
  { title: "Cluster", cell: (one) => shown(one.name) },
  { title: "Circuit", cell: circuit },
  breaker("connections"), breaker("pending"), breaker("requests"), breaker("retries"),
  { title: "Endpoints", num: true, cell: (one) => String(one.endpoints.length) },
  { title: "Balancer", cell: (one) => shown(one.load_balancing) },
];

function health(one) {
  const [bad] = one.states ?? [];
  return bad ? badge(`${bad.state}${bad.why ? `: ${bad.why}` : ""}`, "failing") : one.healthy === undefined ? badge("unknown") : badge("healthy", "good");
}

const number = (title, name, help) => ({ title, num: true, help, cell: (one) => String(one[name] ?? "–"), tone: (one) => (one[name] ? "" : "none") });

const ENDPOINTS = [
  { title: "Cluster", cell: (one) => shown(one.cluster) },
  { title: "Endpoint", cell: (one) => el("span", { class: "mono" }, shown(one.address)) },
  { title: "Health", cell: health },
  number("in flight", "active", "Requests on their way to it"),
  number("kept", "idle", "Connections that wait for the next request"),
  number("failures", "failures", "Failures in a row, as outlier detection counts them"),
  number("weight", "weight", "Its share against the others"),
];
