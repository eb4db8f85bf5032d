"""/limits: the workers' answers, put together."""

from __future__ import annotations

from typing import Any

from gateway.control.views.limits import limits_document


def limit(left: int, key: str = "192.0.2.1", store: str | None = None, keys: int = 1) -> dict[str, Any]:
    top = [{"key": key, "left": left, "size": 10, "reset_seconds": 1.0}]
    return {
        "route": "orders", "name": "a", "type": "RateLimit", "where": "x:1", "terms": "10 per 1 s", "key": "Address",
        "store": store, "enforced": True, "keys": keys, "top": top,
    }  # fmt: skip


async def test_every_worker_is_asked(instance: Any) -> None:
    asked: list[dict[str, Any]] = []

    def says(left: int) -> Any:
        def answers(question: dict[str, Any]) -> dict[str, Any]:
            asked.append(question)
            return {"limits": [limit(left)], "more": 2, "unused": 1}

        return answers

    await instance.worker("gateway-1", 101, answers=says(3))
    await instance.worker("gateway-2", 102, answers=says(7))
    found = await instance.get("/limits?route=orders")
    assert asked == [{"route": "orders"}] * 2
    (one,) = found["limits"]
    assert found["more"] == 2
    assert [(count["worker"], count["top"][0]["left"]) for count in one["counts"]] == [
        ("gateway-1", 3),
        ("gateway-2", 7),
    ]


async def test_without_a_worker_there_is_nothing_to_tell(instance: Any) -> None:
    assert (await instance.get("/limits", status=503))["reason"] == "no_worker"


def test_a_limit_in_a_store_is_one_count() -> None:
    one, other = limit(5, store="shared", keys=3), limit(4, store="shared")
    another = limit(1, key="192.0.2.9", store="shared")
    document = limits_document(
        {"gateway-1": {"limits": [one]}, "gateway-2": {"limits": [other]}, "c": {"limits": [another]}}
    )
    (count,) = document["limits"][0]["counts"]
    assert (count["worker"], count["keys"]) == (None, 3)
    assert [(key["key"], key["left"]) for key in count["top"]] == [("192.0.2.9", 1), ("192.0.2.1", 4)]


def test_a_worker_that_answers_an_error_is_no_limit() -> None:
    assert limits_document({"gateway-1": {"error": "cannot answer 'limits'"}}) == {"limits": [], "more": 0}
