"""Markdown as a tree of elements, for a page that makes elements and never markup.

The problem: text that becomes HTML can become a script. The rule: HTML in it is text (CommonMark's `html` is off), what
comes out is a tree of a few known elements, and the console builds them one by one (dashboards/console/dom.js).
"""

from __future__ import annotations

from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

ELEMENTS = frozenset({
    "p", "h1", "h2", "h3", "h4", "ul", "ol", "li", "em", "strong", "blockquote", "hr",
    "table", "thead", "tbody", "tr", "th", "td",
})  # fmt: skip
_parser = MarkdownIt("commonmark", {"html": False}).enable("table")


def tree(text: str) -> list[dict[str, Any]]:
    """The elements: `{tag, children}`, `{tag: "a", href, children}`, `{tag: "code" or "pre", text}`, `{text}`."""
    return _children(SyntaxTreeNode(_parser.parse(text)))


def _children(node: SyntaxTreeNode) -> list[dict[str, Any]]:
    return [made for child in node.children for made in _made(child)]


def _made(node: SyntaxTreeNode) -> list[dict[str, Any]]:
    if node.type == "text":
        return [{"text": node.content}]
    if node.type in ("softbreak", "hardbreak"):
        return [{"text": " "}]
    if node.type == "code_inline":
        return [{"tag": "code", "text": node.content}]
    if node.type in ("fence", "code_block"):
        return [{"tag": "pre", "text": node.content}]
    if node.type == "image":
        return [{"text": node.content}]
    if node.type == "link" and str(node.attrs.get("href", "")).startswith("https://"):
        return [{"tag": "a", "href": node.attrs["href"], "children": _children(node)}]
    if node.tag in ELEMENTS and node.type != "link":
        return [{"tag": node.tag, "children": _children(node)}]
    return _children(node)
