"""Markdown as a tree: known elements, and everything else is text."""

from __future__ import annotations

import json

from gateway.control.markdown import ELEMENTS, tree


def test_text_becomes_elements() -> None:
    assert tree("Read `ps`, *now*.\n\n```console\n$ ls\n```") == [
        {
            "tag": "p",
            "children": [
                {"text": "Read "},
                {"tag": "code", "text": "ps"},
                {"text": ", "},
                {"tag": "em", "children": [{"text": "now"}]},
                {"text": "."},
            ],
        },
        {"tag": "pre", "text": "$ ls\n"},
    ]


def test_tables_and_lists() -> None:
    (table,) = tree("| a |\n|---|\n| 1 |")
    assert [one["tag"] for one in table["children"]] == ["thead", "tbody"]
    (items,) = tree("- one\n- two")
    assert (items["tag"], len(items["children"])) == ("ul", 2)


def test_markup_is_text_and_links_lead_to_https_only() -> None:
    hostile = (
        "<script>alert(1)</script>\n\n<b onclick=x>b</b> [a](javascript:alert(1)) [b](data:text/html,x) "
        "[c](http://127.0.0.1:9901/) [d](../x.md) ![e](https://evil.example/pixel) [good](https://owasp.org/)"
    )
    made = tree(hostile)
    links = [one for one in made[1]["children"] if one.get("tag") == "a"]
    assert [one["href"] for one in links] == ["https://owasp.org/"]
    assert "<script>alert(1)</script>" in made[0]["children"][0]["text"]
    assert tags(made) <= ELEMENTS | {"a", "code", "pre"}
    assert "evil.example" not in json.dumps(made)


def tags(nodes: list[dict[str, object]]) -> set[object]:
    found = set()
    for node in nodes:
        found |= {node["tag"]} if "tag" in node else set()
        children = node.get("children", [])
        assert isinstance(children, list)
        found |= tags(children)
    return found
