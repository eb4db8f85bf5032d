from __future__ import annotations

import json
from typing import Any

import pytest

ROUTE = {
    "name": "orders", "listeners": ["public"], "hostnames": [], "matches": ["GET /orders/*", "/orders"],
    "public": False, "filters": [{"type": "JWT", "where": "a:1"}, {"type": "Authorize"}],
    "clusters": [{"name": "orders", "weight": 9}, {"name": "next", "weight": 1}], "where": "shop.yaml:41",
}  # fmt: skip


def test_routes_are_listed_with_what_they_do(installation: Any) -> None:
    installation.reply("GET", "/routes", {"routes": [ROUTE]})
    row = installation.run("routes").output.splitlines()[1]
    assert "orders  public    GET /orders/*  or  /orders  JWT → Authorize  orders ×9, next  no      shop.yaml:41" in row
    assert json.loads(installation.run("routes", "--json").output) == [ROUTE]


def test_a_narrow_terminal_gets_paragraphs_and_breaks_no_name(
    installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    open_to_all = {**ROUTE, "name": "all\x1b", "public": True, "filters": [], "hostnames": ["a.example"]}
    installation.reply("GET", "/routes", {"routes": [ROUTE, open_to_all]})
    first, second = installation.run("routes").output.rstrip("\n").split("\n\n")
    assert first.splitlines() == [
        "orders",
        "  GET /orders/*",
        "  /orders",
        "  JWT → Authorize → orders ×9, next",
        "  listener public, shop.yaml:41",
    ]
    assert second.splitlines()[0] == "all\\x1b"
    assert second.splitlines()[3:] == [
        "  for a.example",
        "  orders ×9, next",
        "  listener public, for everybody, shop.yaml:41",
    ]


@pytest.mark.parametrize(("result", "said"), [("accepted", "serves now"), ("unchanged", "is unchanged")])
def test_a_reload_says_what_serves(installation: Any, result: str, said: str) -> None:
    installation.reply("POST", "/reload", {"result": result, "version": 3, "notes": ["workers: restart"]})
    done = installation.run("reload")
    assert done.exit_code == 0
    assert f"Version 3 of /etc/shop.yaml {said}." in done.output
    assert "Note: workers: restart" in done.output


@pytest.mark.parametrize("status", [409, 422])
def test_a_refused_reload_is_a_configuration_error(installation: Any, status: int) -> None:
    installation.reply(
        "POST", "/reload", {"reason": "config_rejected", "errors": ["shop.yaml:3:1: bad\n  x"]}, status=status
    )
    done = installation.run("reload")
    assert done.exit_code == 2
    assert "the last good configuration serves on.\nshop.yaml:3:1: bad\n  x" in done.output


def test_a_broken_admin_api_is_a_failure(installation: Any) -> None:
    installation.reply("POST", "/reload", {"reason": "no_worker"}, status=503)
    assert installation.run("reload").exit_code == 1
