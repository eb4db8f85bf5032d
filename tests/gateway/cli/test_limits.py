"""`gatehouse limits` prints what the admin API says."""

from __future__ import annotations

import json
from typing import Any


def key(name: str, left: int, size: int, reset: float) -> dict[str, Any]:
    return {"key": name, "left": left, "size": size, "reset_seconds": reset}


LIMITS = {
    "limits": [
        {
            "route": "", "name": "address", "type": "RateLimit", "where": "x:1", "terms": "30 per 60 s, bursts of 3",
            "key": "Address", "store": None, "enforced": True,
            "counts": [
                {"worker": "gateway-1", "keys": 2, "top": [
                    key("192.0.2.1", 0, 3, 6.0),
                    key("192.0.2.2\x1b[2J", 2, 3, 0.0),
                ]},
                {"worker": "gateway-2", "keys": 1, "top": [key("192.0.2.1", 1, 3, 4.0)]},
            ],
        },
        {
            "route": "reports", "name": "daily", "type": "Quota", "where": "x:2", "terms": "10 per 1 d",
            "key": "Claim sub", "store": "shared", "enforced": False,
            "counts": [{"worker": None, "keys": 1, "top": [key("anna", 9, 10, 90.0)]}],
        },
    ],
    "more": 3,
}  # fmt: skip


def test_each_limit_once_with_its_keys(installation: Any) -> None:
    installation.reply("GET", "/limits", LIMITS)
    lines = [" ".join(line.split()) for line in installation.run("limits").output.splitlines()]
    assert lines == [
        "LIMIT ROUTE ALLOWS COUNTED KEY LEFT WHOLE AGAIN",
        "address every route 30 per 60 s, bursts of 3 per address gateway-1 192.0.2.1 0 of 3 6.0 s",
        r"192.0.2.2\x1b[2J 2 of 3 –",
        "gateway-2 192.0.2.1 1 of 3 4.0 s",
        "daily reports 10 per 1 d per claim sub, shadow in store shared anna 9 of 10 1 min 30 s",
        "and 3 more, less used",
    ]


def test_fewer_keys_one_route_and_json(installation: Any) -> None:
    installation.reply("GET", "/limits", LIMITS)
    assert "192.0.2.2" not in installation.run("limits", "--top", "1").output
    assert json.loads(installation.run("limits", "--route", "a b", "--json").output) == LIMITS
    assert installation.received[-1].target == "/limits?route=a%20b"


def test_nothing_in_use(installation: Any) -> None:
    installation.reply("GET", "/limits", {"limits": [], "more": 0})
    assert installation.run("limits").output == "No limit is in use at the moment.\n"
