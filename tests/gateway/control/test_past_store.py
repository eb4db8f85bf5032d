"""What control keeps of past requests: bounded, found by trace id, and nobody's to overwrite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.control.messages import Explanations, parse
from gateway.control.past_store import MAX_PER_TRACE, PastStore
from gateway.control.views.explanations import refusals


def told(trace_id: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "trace_id": trace_id, "span_id": f"{number:016x}", "time": f"2026-11-27T10:00:{number:02}.000Z",
        "method": "GET", "target": "/orders", "outcome": "deny", "decided_by": "gateway", "status": 401,
        "reason": "token_missing", "steps": [{"filter": "JWT", "verdict": "deny", "where": "shop.yaml:1"}],
    } | more  # fmt: skip


def message(*explanations: dict[str, Any], dropped: int = 0) -> Explanations:
    line = json.dumps({"type": "explanations", "explanations": explanations, "dropped": dropped}).encode()
    parsed = parse(line)
    assert isinstance(parsed, Explanations)
    return parsed


def trace(number: int) -> str:
    return f"{number:032x}"


def test_the_oldest_go_first_and_sampled_ones_do_not_push_out_denied_ones() -> None:
    store = PastStore(max_entries=3)
    for number in range(5):
        store.add("gateway-1", message(told(trace(number), number)))
    for number in range(10, 30):
        store.add("gateway-1", message(told(trace(number), number, outcome="forwarded", status=200)))
    assert [bool(store.get(trace(number))) for number in range(5)] == [False, False, True, True, True]
    assert [item["trace_id"] for item in store.latest(4)] == [trace(n) for n in (29, 28, 27, 4)]


def test_bytes_are_bounded_too() -> None:
    store = PastStore(max_bytes=10_000)
    for number in range(50):
        store.add("gateway-1", message(told(trace(number), number % 60, detail="x" * 1_000)))
    assert store._refused.size <= 10_000
    assert 5 <= len(store._refused) <= 9
    assert store.get(trace(49))


def test_whoever_repeats_an_id_cannot_hide_what_is_there() -> None:
    store = PastStore(max_entries=100)
    store.add("gateway-1", message(told(trace(1), 0, reason="the first")))
    for number in range(1, 60):
        store.add("gateway-1", message(told(trace(1), number)))
    found = store.get(trace(1))
    assert len(found) == MAX_PER_TRACE
    assert found[0]["reason"] == "the first"
    assert store.dropped == 60 - MAX_PER_TRACE


@pytest.mark.parametrize("change", [{"trace_id": "../x"}, {"detail": "x" * 5_000}, {"steps": [{}]}, {"status": "x"}])
def test_what_is_no_explanation_breaks_the_protocol(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        message(told(trace(1)) | change)


async def test_the_admin_api_finds_them_by_trace_id(instance: Any) -> None:
    worker = await instance.worker()
    worker.send(type="explanations", explanations=[told(trace(7)), told(trace(8), 1)], dropped=3)
    await instance.until(lambda: instance.plane.past.get(trace(8)))
    listed = await instance.get("/explanations?limit=1")
    assert (listed["dropped"], [item["trace_id"] for item in listed["explanations"]]) == (3, [trace(8)])
    found = await instance.get(f"/explanations/{trace(7).upper()}")
    assert found["services"] == []
    (one,) = found["explanations"]
    assert (one["worker"], one["reason"], one["steps"][0]["where"]) == ("gateway-1", "token_missing", "shop.yaml:1")
    unknown = await instance.get(f"/explanations/{trace(9)}", status=404)
    assert (unknown["reason"], "3 were too many" in unknown["detail"]) == ("no_such_explanation", True)
    await instance.get("/explanations/nonsense", status=404)


def span(service: str, status: int | str, kind: str = "server", **attributes: Any) -> dict[str, Any]:
    return {
        "service": service,
        "kind": kind,
        "name": "GET /x",
        "attributes": {"http.response.status_code": status} | attributes,
    }


def test_services_are_quoted_from_the_trace() -> None:
    spans = [
        span("gateway", 403), span("orders", 403, **{"problem.reason": "not_owner"}), span("orders", 404, "client"),
        span("identity", 401), span("profiles", 200), span("odd", "403"),
    ]  # fmt: skip
    assert refusals({"spans": spans}) == [
        {"service": "orders", "operation": "GET /x", "status": 403, "reason": "not_owner"},
        {"service": "identity", "operation": "GET /x", "status": 401, "reason": ""},
    ]
    assert refusals(None) == []
