// Parts of a page, each with an address of its own: links that look like tabs.

import { el } from "../dom.js";

/** `parts`: [[id, title], …] under `#/page/id`; the first is the page itself. Returns { node, mark(id) }. */
export function tabs(page, parts, label) {
  const links = parts.map(([id, title], index) => el("a", { href: index ? `#/${page}/${id}` : `#/${page}`, "data-part": id }, title));
  const node = el("nav", { class: "tabs", "aria-label": label }, ...links);
  const mark = (id) => {
    for (const link of links) {
      if (link.dataset.part === id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
  return { node, mark };
}
