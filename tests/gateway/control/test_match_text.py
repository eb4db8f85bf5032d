"""What people see of a match: whatever tells two routes apart is in it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.match_text import match_text
from gateway.spec.models import Match


def told(**match: Any) -> str:
    return match_text(Match.model_validate(match).model_dump(mode="json", by_alias=True))


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ({"path": {"value": "/orders"}, "method": "GET"}, "GET /orders*"),
        ({"path": {"type": "Exact", "value": "/"}}, "/"),
        ({"path": {"type": "RegularExpression", "value": "/a/[^/]+"}, "method": "POST"}, "POST ~ /a/[^/]+"),
        ({"headers": [{"name": "X-Canary", "value": "yes"}]}, "/* [X-Canary: yes]"),
        (
            {"headers": [{"name": "A", "type": "RegularExpression", "value": ".*"}, {"name": "B", "value": "1"}]},
            "/* [A: ~ .*] [B: 1]",
        ),
        ({"queryParams": [{"name": "wsdl", "value": ""}, {"name": "v", "value": "2"}]}, "/*?wsdl&v=2"),
        ({"headers": [{"name": "A", "value": "x" * 41}]}, f"/* [A: {'x' * 40}…]"),
    ],
)
def test_every_condition_is_shown(match: dict[str, Any], text: str) -> None:
    assert told(**match) == text
