// Elements from the tree that the server makes of Markdown (gateway/control/markdown.py): known tags only, never markup.

import { el, shown, shownLines } from "../dom.js";

const KNOWN = new Set(["p", "h1", "h2", "h3", "h4", "ul", "ol", "li", "em", "strong", "blockquote", "hr", "table", "thead", "tbody", "tr", "th", "td"]);

/** Nodes for `tree`. */
export function elements(tree) {
  return tree.map(made);
}

function made({ tag, text, href, children }) {
  if (!tag) return document.createTextNode(shown(text));
  if (tag === "code") return el("code", {}, shown(text));
  if (tag === "pre") return el("pre", { tabindex: "0" }, shownLines(text.trimEnd()));
  if (tag === "a" && href.startsWith("https://")) return el("a", { href, rel: "noopener noreferrer", target: "_blank" }, ...elements(children));
  return KNOWN.has(tag) ? el(tag, {}, ...elements(children)) : el("span", {}, ...elements(children));
}
