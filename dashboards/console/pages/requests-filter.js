// By what requests can be filtered, and whether one fits.

import { decider, kind } from "../components/request-list.js";
import { el } from "../dom.js";

const choice = (all, ...options) => el("select", {}, el("option", { value: "" }, all), ...options.map(([value, text]) => el("option", { value }, text)));

/** `options(message)` are the names to choose from, where they come from what runs. */
export const FILTERS = [
  { name: "text", label: "Search", control: () => el("input", { type: "search", size: "30", placeholder: "path, reason, address, agent, id", autocomplete: "off", spellcheck: "false" }) },
  { name: "show", label: "Outcome", control: () => choice("any", ["fine", "answered"], ["refused", "refused (4xx)"], ["failing", "failed (5xx)"]) },
  { name: "by", label: "Decided by", control: () => choice("anybody"), options: ({ services }) => ["gateway", ...services.map((one) => one.name)] },
  { name: "route", label: "Route", control: () => choice("any"), options: ({ routes }) => routes.map((one) => one.name).filter(Boolean) },
  { name: "user", label: "User", control: () => el("input", { type: "search", size: "10", autocomplete: "off", spellcheck: "false" }) },
  { name: "method", label: "Method", control: () => choice("any", ...["GET", "POST", "PUT", "PATCH", "DELETE"].map((one) => [one, one])) },
];

const SEARCHED = ["path", "reason", "client_address", "user_agent", "trace_id", "policy"];

/** Whether a record fits all that is asked. */
export function matches(record, { text, show, by, route, user, method }) {
  const has = (value, part) => String(value ?? "").toLowerCase().includes(part.toLowerCase());
  return (!text || SEARCHED.some((name) => has(record[name], text)))
    && (!show || kind(record) === show)
    && (!by || decider(record) === by || record.upstream_cluster === by)
    && (!route || record.route === route)
    && (!user || has(record.subject || "anonymous", user))
    && (!method || record.method === method);
}
