"""A route's match in a few characters, for people.

The problem: two routes may differ in a header or a parameter only, and shown without it they look the same. The
rule: every condition is there, briefly: `GET /orders*` (without a star the path is exact), `~` before a regular
expression, parameters behind `?` as in an address, headers in brackets.
"""

from __future__ import annotations

from typing import Any

LONGEST_VALUE = 40
"""Characters of a value that are shown."""


def match_text(match: dict[str, Any]) -> str:
    """`POST /graphql [Authorization: ~ .*]`, `GET /profiles/soap?wsdl`."""
    path = match["path"]
    before = "~ " if path["type"] == "RegularExpression" else ""
    after = "*" if path["type"] == "PathPrefix" else ""
    method = f"{match['method']} " if match.get("method") else ""
    query = "&".join(map(_parameter, match.get("queryParams", ())))
    headers = "".join(f" [{one['name']}: {_value(one)}]" for one in match.get("headers", ()))
    return f"{method}{before}{path['value']}{after}{'?' if query else ''}{query}{headers}"


def _parameter(one: dict[str, Any]) -> str:
    value = _value(one)
    return f"{one['name']}={value}" if value else str(one["name"])


def _value(one: dict[str, Any]) -> str:
    value = one["value"] if len(one["value"]) <= LONGEST_VALUE else one["value"][:LONGEST_VALUE] + "…"
    return f"~ {value}" if one["type"] == "RegularExpression" else value
