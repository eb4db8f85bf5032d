"""`gatehouse cache` prints what the admin API says, and asks it to forget."""

from __future__ import annotations

import json
from typing import Any

import pytest

KEPT = {
    "route": "products", "host": "shop.test", "path": "/products\x1b[2J", "has_query": True, "status": 200,
    "bytes": 4096, "age_seconds": 12.0, "fresh_seconds": 48.0, "hits": 31,
}  # fmt: skip
EMPTY = {"bytes": 0, "max_bytes": 16_777_216, "entries": 0, "max_entries": 10_000, "under_way": 0, "top": []}
CACHES = {
    "caches": [
        {
            "name": "catalogue",
            "workers": [
                {"worker": "gateway-1", **EMPTY, "bytes": 8192, "entries": 2, "top": [KEPT, {**KEPT, "path": "/x",
                 "has_query": False, "hits": 0, "fresh_seconds": -3.0}]},
                {"worker": "gateway-2", **EMPTY},
            ],
        }
    ]
}  # fmt: skip


def test_each_cache_once_with_its_workers(installation: Any) -> None:
    installation.reply("GET", "/caches", CACHES)
    lines = [" ".join(line.split()) for line in installation.run("cache").output.splitlines()]
    assert lines == [
        "CACHE WORKER HOLDS ANSWER ROUTE GIVEN AGE FRESH FOR",
        r"catalogue gateway-1 2 answers, 8 of 16384 KiB 200 shop.test/products\x1b[2J?… products 31 12.0 s 48.0 s",
        "200 shop.test/x products 0 12.0 s stale",
        "catalogue gateway-2 0 answers, 0 of 16384 KiB –",
    ]


def test_narrower_and_json(installation: Any) -> None:
    installation.reply("GET", "/caches", CACHES)
    assert "shop.test/x" not in installation.run("cache", "--top", "1").output
    assert json.loads(installation.run("cache", "--json").output) == CACHES
    assert installation.run("cache", "--cache", "other").output == "The running configuration has no cache.\n"


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("--purge", "/products/*"), {"path": "/products/*"}),
        (("--all",), {"all": True}),
        (("--all", "--cache", "catalogue"), {"all": True, "cache": "catalogue"}),
    ],
)
def test_purging(installation: Any, words: tuple[str, ...], question: dict[str, Any]) -> None:
    installation.reply("POST", "/caches/purge", {"purged": {"gateway-1": 3, "gateway-2": 0}, "silent": []})
    result = installation.run("cache", *words)
    assert (result.exit_code, result.output) == (0, "Forgotten: 3 in gateway-1, 0 in gateway-2.\n")
    assert json.loads(installation.received[-1].body) == question
    assert installation.received[-1].headers["authorization"].startswith("Bearer ")


def test_a_silent_worker_is_a_failure(installation: Any) -> None:
    installation.reply("POST", "/caches/purge", {"purged": {"gateway-1": 3}, "silent": ["gateway-2"]}, status=502)
    result = installation.run("cache", "--all")
    assert result.exit_code == 1
    assert "No answer from gateway-2" in result.output


def test_a_refusal_is_told(installation: Any) -> None:
    problem = {"reason": "invalid_body", "detail": "cache: one of main"}
    installation.reply("POST", "/caches/purge", problem, status=422)
    result = installation.run("cache", "--all", "--cache", "x")
    assert result.exit_code == 1
    assert "cache: one of main" in result.output
    assert installation.run("cache", "--all", "--purge", "/x").exit_code == 2
