"""`gatehouse canary` prints what the admin API says, and asks for changes."""

from __future__ import annotations

import json
from typing import Any

import pytest


def canary(**changes: Any) -> dict[str, Any]:
    return {
        "route": "orders", "cluster": "orders-v2", "weight": 10, "configured_weight": 10, "state": "running",
        "since": 1_800_000_000.0, "why": "", "quantile": 0.95, "window_seconds": 30.0,
        "canary": {"requests": 52, "failures": 1, "error_ratio": 0.0192, "quantile_ms": 14.2},
        "stable": {"requests": 471, "failures": 0, "error_ratio": 0.0, "quantile_ms": 12.0},
        "rollback": {}, **changes,
    }  # fmt: skip


NOTHING = {"requests": 0, "failures": 0, "error_ratio": 0.0, "quantile_ms": None}
TAKEN_BACK = canary(route="stock", weight=0, state="rolled_back", why="7 of 52 failed\x1b[2J", canary=NOTHING)


def test_both_sides_of_each_and_why(installation: Any) -> None:
    installation.reply("GET", "/canaries", {"canaries": [canary(), TAKEN_BACK]})
    lines = [" ".join(line.split()) for line in installation.run("canary").output.splitlines()]
    assert lines == [
        "ROUTE CANARY WEIGHT STATE REQUESTS FAILED QUANTILE WINDOW",
        "orders orders-v2 10 % running 52 / 471 1.92 % / 0 % p95 14.2 ms / 12 ms 30 s",
        "stock orders-v2 0 % rolled_back 0 / 471 – / 0 % p95 – / 12 ms 30 s",
        r"stock: rolled back since 2027-01-15 08:00:00 UTC: 7 of 52 failed\x1b[2J",
    ]
    assert "stock" not in installation.run("canary", "orders").output
    assert json.loads(installation.run("canary", "--json").output) == [canary(), TAKEN_BACK]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--weight", "25"], {"do": "weight", "weight": 25}),
        (["--promote"], {"do": "promote"}),
        (["--rollback"], {"do": "rollback"}),
        (["--resume"], {"do": "resume"}),
    ],
)
def test_a_change_is_asked_for_with_the_secret(installation: Any, words: list[str], asked: dict[str, Any]) -> None:
    installation.reply("POST", "/canaries/orders", canary(weight=25))
    result = installation.run("canary", "orders", *words)
    assert (result.exit_code, "25 %" in result.output) == (0, True)
    got = installation.received[-1]
    assert (json.loads(got.body), got.headers["authorization"]) == (asked, "Bearer the-secret-of-this-start")


def test_what_makes_no_sense_is_not_asked(installation: Any) -> None:
    for words in (["--promote"], ["orders", "--weight", "5", "--promote"], ["orders", "--weight", "101"]):
        assert installation.run("canary", *words).exit_code == 2
    assert installation.received == []


def test_there_is_none(installation: Any) -> None:
    installation.reply("GET", "/canaries", {"canaries": []})
    assert installation.run("canary").output == "No route has a canary.\n"
    assert installation.run("canary", "orders").output == "Route orders has no canary.\n"
    installation.reply("POST", "/canaries/orders", {"reason": "no_canary", "detail": "there is none"}, status=404)
    refused = installation.run("canary", "orders", "--promote")
    assert (refused.exit_code, "no_canary" in refused.output) == (1, True)
