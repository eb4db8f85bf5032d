// Which page is shown: `#/requests/TRACE?status=4` is the page `requests`, at ["TRACE"], asked { status: "4" }.
// A page is a module with `open(root)`, loaded when it is first looked at; see docs/console.md for what it returns.

import { byId, el } from "./dom.js";
import { follow } from "./live.js";
import { failed } from "./components/panel.js";

export const PAGES = [
  { id: "overview", title: "Overview" },
  { id: "requests", title: "Requests" },
  { id: "routes", title: "Routes" },
  { id: "services", title: "Services" },
  { id: "lab", title: "Lab" },
  { id: "lessons", title: "Lessons" },
];

let shown = null;
let turn = 0;

/** Draw the navigation and the page of the address; follow the address from then on. */
export function setUpPages() {
  const links = PAGES.map(({ id, title }) => el("a", { href: `#/${id}`, "data-page": id }, title));
  byId("nav").replaceChildren(...links);
  window.addEventListener("hashchange", go);
  go();
}

/** Where the address points. */
export function place() {
  const [path, asked = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [id, ...rest] = path.split("/").map(decoded);
  return { id, rest: rest.filter(Boolean), asked: Object.fromEntries(new URLSearchParams(asked)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function go() {
  if (location.hash === "#page") return byId("page").focus(); // the skip link
  const there = place();
  const page = PAGES.find(({ id }) => id === there.id) ?? PAGES[0];
  const mine = ++turn;
  if (shown?.id !== page.id) {
    const first = shown === null;
    leave();
    const made = await open(page);
    if (mine !== turn) return made.close();
    shown = made;
    shown.at?.(there.rest, there.asked);
    shown.follow();
    if (!first) byId("page").focus({ preventScroll: true });
    window.scrollTo(0, 0);
    return;
  }
  shown.at?.(there.rest, there.asked);
}

async function open({ id, title }) {
  for (const link of byId("nav").children) {
    if (link.dataset.page === id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${title} · Gatehouse`;
  const root = el("div", { class: `page page-${id}` });
  const page = await made(id, root);
  byId("page").replaceChildren(root);
  let stop = () => {};
  return {
    id,
    at: page.at,
    follow: () => { if (page.live) stop = follow(page.live); },
    close: () => { stop(); page.close?.(); },
  };
}

async function made(id, root) {
  try {
    const { open: build } = await import(`./pages/${id}.js`);
    return build(root) ?? {};
  } catch (error) {
    root.replaceChildren(failed("This page could not be opened", error.message));
    throw error;
  }
}

function leave() {
  shown?.close();
  shown = null;
}
