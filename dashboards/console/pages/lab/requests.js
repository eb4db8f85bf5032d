// The requests of one run, as evidence: who asked what, what came back, and who decided.

import { panel } from "../../components/panel.js";
import { table } from "../../components/table.js";
import { el, shown } from "../../dom.js";
import { answered, decider } from "./sides.js";

export function requests() {
  const card = panel("Requests", { className: "evidence" });
  const columns = [
    { title: "Who", cell: (one) => el("span", {}, shown(one.who), one.honest ? el("small", {}, "honest") : null) },
    { title: "Request", cell: (one) => el("code", { title: shown(one.excerpt) }, shown(one.request)) },
    { title: "Answer", cell: (one) => answered(one), tone: (one) => (one.status >= 400 || one.status === 0 ? "refused" : "") },
    { title: "Decided by", cell: (one) => decider(one) },
    { title: "Trace", cell: trace },
  ];
  const rows = table("Requests of the attack", columns, (one) => one.number);
  card.body.append(rows.node);

  function show(run) {
    const all = [...run.attack, ...run.honest.map((one) => ({ ...one, honest: true }))].map((one) => ({ ...one, gone: run.gone }));
    card.note(all.length ? `${all.length} in the latest run` : "");
    rows.show(all.map((one, number) => ({ ...one, number })), ["No request yet", "Press Attack: each request appears here when it is answered."]);
  }
  return { node: card.node, show };
}

/** A link where this console has the trace. */
function trace({ trace_id: id, gone }) {
  if (!id) return el("span", {}, "–");
  if (gone) return el("span", { title: "This trace went with the shop that the comparison had for itself. Attack here, and it can be looked at." }, id.slice(0, 8));
  return el("a", { href: `#/requests/${id}` }, id.slice(0, 8));
}
