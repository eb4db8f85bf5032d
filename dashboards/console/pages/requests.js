// Requests: a live tail with filters, and one of them in full (`#/requests/TRACE`). The filters stand in the address,
// so that a view can be passed on: `#/requests?show=refused&by=orders`.

import { requestList } from "../components/request-list.js";
import { panel } from "../components/panel.js";
import { el } from "../dom.js";
import { latest } from "../live.js";
import { place } from "../router.js";
import { get } from "../session.js";
import { FILTERS, matches } from "./requests-filter.js";
import { oneRequest } from "./request.js";

const KEPT = 500;
const SHOWN = 200;

export function open(root) {
  const title = el("h1", {}, "Requests");
  const list = tail();
  const one = oneRequest();
  root.append(title, list.node, one.node);
  return {
    live: (message) => list.live(message),
    at(rest, asked) {
      title.hidden = list.node.hidden = rest.length > 0;
      one.node.hidden = rest.length === 0;
      if (rest.length > 0) one.show(rest[0]);
      else list.filter(asked);
    },
    close: one.close,
  };
}

function tail() {
  let filter = {};
  let paused = false;
  let records = [];
  const found = requestList("Requests, the newest first");
  const pause = el("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const { node: controls, show: showControls } = filterControls();
  const card = panel("Live tail", { tools: [pause], className: "tail" });
  card.body.append(controls, el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "The requests" }, found.node));
  const draw = () => {
    const chosen = records.filter((record) => matches(record, filter));
    card.note(`${chosen.length} of the latest ${records.length}${paused ? ", paused" : ""}`);
    found.show(chosen.slice(0, SHOWN), records.length
      ? ["Nothing like this among the latest requests", "Loosen the filters above, or wait."]
      : ["No requests yet", "Press Start traffic on the overview, or send one: gatehouse call alice GET /orders"]);
  };
  const add = (more) => {
    const known = new Set(records.map((record) => record.seq));
    records = [...more.filter((record) => !known.has(record.seq)), ...records].sort((a, b) => b.seq - a.seq).slice(0, KEPT);
  };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    draw();
  });
  const denied = () => (["refused", "failing"].includes(filter.show) ? "&denied=true" : "");
  const fetched = async () => { add((await get(`/requests?limit=${KEPT}${denied()}`)).requests); draw(); };
  return {
    node: card.node,
    async live(message) {
      if (paused || card.node.hidden) return;
      add(message.requests);
      draw();
    },
    filter(asked) {
      filter = asked;
      showControls(asked, latest());
      draw();
      fetched().catch(() => {}); // the stream goes on without the earlier ones
    },
  };
}

/** One control per filter; what is chosen goes into the address, from where it comes back. */
function filterControls() {
  const inputs = FILTERS.map(({ name, control }) => [name, control()]);
  const changed = () => {
    const chosen = Object.fromEntries(inputs.map(([name, input]) => [name, input.value.trim()]).filter(([, value]) => value));
    const query = new URLSearchParams(chosen).toString();
    history.replaceState(null, "", `#/requests${query ? `?${query}` : ""}`);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  };
  for (const [, input] of inputs) input.addEventListener("input", changed);
  const clear = el("a", { class: "button quiet", href: "#/requests" }, "Clear");
  const node = el("form", { class: "fields", role: "search", on: { submit: (event) => event.preventDefault() } },
    ...FILTERS.map(({ label }, index) => el("label", {}, label, inputs[index][1])), clear);
  const show = (asked, message) => {
    for (const [index, { name, options }] of FILTERS.entries()) {
      const input = inputs[index][1];
      if (options && message) refill(input, options(message), asked[name]);
      if (document.activeElement !== input) input.value = asked[name] ?? "";
    }
    clear.hidden = Object.keys(place().asked).length === 0;
  };
  return { node, show };
}

function refill(select, names, chosen) {
  const all = [...new Set([...names, ...(chosen ? [chosen] : [])])];
  if ([...select.options].slice(1).map((one) => one.value).join("\n") === all.join("\n")) return;
  const value = select.value;
  select.replaceChildren(select.options[0], ...all.map((name) => el("option", { value: name }, name)));
  select.value = value;
}
