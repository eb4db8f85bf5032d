// Certificates in use, the one that expires first at the top.

import { badge } from "../components/badge.js";
import { polled } from "../components/polled.js";
import { panel } from "../components/panel.js";
import { table } from "../components/table.js";
import { el, shown } from "../dom.js";
import { clock, duration } from "../format.js";

const SOON = 120;

export function certificatesPart() {
  const list = table("Certificates, the first to expire at the top", COLUMNS, (one) => `${one.kind} ${one.whose} ${one.holder}`);
  const card = panel("Certificates");
  card.body.append(list.node);
  const poll = polled("/certificates", ({ certificates }) => list.show(certificates,
    ["No certificates in use", "The listeners speak plain HTTP, and there is no mesh: gatehouse up --mesh gives every service an identity."]), card.body);
  return { node: card.node, live: poll, at: poll };
}

const left = (one) => one.expires - Date.now() / 1000;

function stands(one) {
  const seconds = left(one);
  if (seconds <= 0) return badge("expired", "failing");
  return seconds < SOON ? badge("expires soon", "refused") : badge("good", "good");
}

const COLUMNS = [
  { title: "Whose", cell: (one) => el("span", { class: "mono" }, shown(one.whose)) },
  { title: "Held by", cell: (one) => shown(one.holder) },
  { title: "Kind", cell: (one) => (one.kind === "identity" ? "identity in the mesh" : "of a listener") },
  { title: "State", cell: stands },
  { title: "Good for", num: true, cell: (one) => (left(one) > 0 ? duration(left(one)) : "–") },
  { title: "Until", num: true, cell: (one) => clock(one.expires * 1000) },
];
