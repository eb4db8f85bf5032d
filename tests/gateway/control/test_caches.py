"""/caches and /caches/purge: every worker is asked, and one that is silent is told."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.problems import Problem
from gateway.control.views.caches import caches_document, purge_question


def zone(name: str, entries: int) -> dict[str, Any]:
    return {
        "name": name,
        "bytes": 10,
        "max_bytes": 100,
        "entries": entries,
        "max_entries": 9,
        "under_way": 0,
        "top": [],
    }


async def test_every_worker_is_asked(instance: Any) -> None:
    await instance.worker("gateway-1", 101, answers=lambda _: {"caches": [zone("a", 1), zone("b", 2)]})
    await instance.worker("gateway-2", 102, answers=lambda _: {"caches": [zone("a", 3)]})
    found = (await instance.get("/caches"))["caches"]
    assert [(one["name"], [(w["worker"], w["entries"]) for w in one["workers"]]) for one in found] == [
        ("a", [("gateway-1", 1), ("gateway-2", 3)]),
        ("b", [("gateway-1", 2)]),
    ]


async def test_without_a_worker_there_is_nothing_to_tell(instance: Any) -> None:
    assert (await instance.get("/caches", status=503))["reason"] == "no_worker"


def test_a_worker_that_answers_an_error_holds_nothing() -> None:
    assert caches_document({"gateway-1": {"error": "cannot answer 'caches'"}}) == {"caches": []}


@pytest.mark.parametrize(
    ("document", "question"),
    [
        ({"path": "/a"}, {"path": "/a", "cache": None}),
        ({"path": "/a/*", "cache": "main"}, {"path": "/a/*", "cache": "main"}),
        ({"all": True}, {"path": None, "cache": None}),
    ],
)
def test_questions(document: dict[str, Any], question: dict[str, Any]) -> None:
    assert purge_question(document, ["main"]) == question


@pytest.mark.parametrize(
    "document",
    [{}, {"all": False}, {"all": 1}, {"path": "/a", "all": True}, {"path": "a"}, {"path": 1},
     {"all": True, "cache": "x"}, {"all": True, "more": 1}, {"cache": "main"}],
)  # fmt: skip
def test_what_is_no_question(document: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        purge_question(document, ["main"])
    assert raised.value.status == 422
