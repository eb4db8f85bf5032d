// Routes, policies, clusters: what is configured and how it stands just now, in parts with an address each.

import { tabs } from "../components/tabs.js";
import { el } from "../dom.js";
import { latest } from "../live.js";
import { certificatesPart } from "./routes-certificates.js";
import { clustersPart } from "./routes-clusters.js";
import { configPart } from "./routes-config.js";
import { explainPart } from "./routes-explain.js";
import { limitsPart } from "./routes-limits.js";
import { routesPart } from "./routes-table.js";

const PARTS = [
  ["routes", "Routes", routesPart],
  ["explain", "Explain a request", explainPart],
  ["limits", "Limits", limitsPart],
  ["clusters", "Clusters and endpoints", clustersPart],
  ["certificates", "Certificates", certificatesPart],
  ["config", "Configuration", configPart],
];

/** A part is { node, live?(message), at?(rest, asked) }; it is made when it is first looked at. */
export function open(root) {
  const made = new Map();
  const bar = tabs("routes", PARTS, "Parts of this page");
  const place = el("div", { class: "stack" });
  let now = null;
  root.append(el("h1", { class: "unseen" }, "Routes, policies, clusters"), bar.node, place);
  return {
    live: (message) => now?.live?.(message),
    at(rest, asked) {
      const [id, , make] = PARTS.find(([name]) => name === rest[0]) ?? PARTS[0];
      if (!made.has(id)) made.set(id, make());
      now = made.get(id);
      bar.mark(id);
      if (place.firstChild !== now.node) place.replaceChildren(now.node);
      now.at?.(rest.slice(1), asked);
      if (latest()) now.live?.(latest());
    },
  };
}
