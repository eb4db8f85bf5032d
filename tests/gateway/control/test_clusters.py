"""/clusters: what the workers say of endpoints and thresholds, put together."""

from __future__ import annotations

from typing import Any

from gateway.control.views.clusters import cluster_document

CLUSTER = {"name": "shop", "loadBalancing": "least_request", "endpoints": []}


def endpoint(state: str = "healthy", why: str = "", **more: Any) -> dict[str, Any]:
    return {"address": "a:1", "weight": 2, "healthy": state == "healthy", "state": [state, why], "active": 3, **more}


def report(one: dict[str, Any], now: int = 1, **more: Any) -> dict[str, Any]:
    return {"endpoints": [one], "pending": 2, "panicking": False, "thresholds": {"requests": [now, 9]}, **more}


def test_numbers_are_added_and_opinions_told() -> None:
    reports = {
        "gateway-2": report(
            endpoint("ejected", "5 failures in a row"), now=9, open_circuits=["requests"], panicking=True
        ),
        "gateway-1": report(endpoint(), now=4),
    }
    found = cluster_document(CLUSTER, ["a:1", "b:2"], reports)
    assert found["endpoints"] == [
        {
            "address": "a:1",
            "weight": 2,
            "healthy": False,
            "active": 6,
            "states": [{"worker": "gateway-2", "state": "ejected", "why": "5 failures in a row"}],
        },
    ]
    assert found["thresholds"] == {"requests": {"now": 9, "most": 9, "open": ["gateway-2"]}}
    assert (found["pending"], found["panicking"]) == (4, ["gateway-2"])


def test_without_reports_there_is_what_is_configured() -> None:
    found = cluster_document(CLUSTER, ["a:1"], {"gateway-1": {}})
    assert found["endpoints"] == [{"address": "a:1"}]
    assert found["thresholds"] == {}
