"""`gatehouse clusters` prints what the admin API says."""

from __future__ import annotations

import json
from typing import Any


def told(worker: str, state: str, why: str) -> dict[str, str]:
    return {"worker": worker, "state": state, "why": why}


def threshold(now: int, most: int, *workers: str) -> dict[str, Any]:
    return {"now": now, "most": most, "open": list(workers)}


CLUSTERS = {
    "clusters": [
        {
            "name": "shop", "service": None, "load_balancing": "least_request", "pending": 7,
            "panicking": ["gateway-2"],
            "thresholds": {"pending": threshold(7, 7, "gateway-1"), "requests": threshold(1, 9)},
            "endpoints": [
                {"address": "127.0.0.1:1", "weight": 1, "healthy": True, "active": 4, "open": 12},
                {"address": "127.0.0.1:2", "weight": 3, "healthy": False, "active": 0, "open": 0, "states": [
                    told("gateway-1", "ejected", "5 failures in a row, 9 s left"),
                    told("gateway-2", "ejected", "5 failures in a row, 11 s left"),
                ]},
                {"address": "127.0.0.1:3", "weight": 1, "healthy": False, "active": 1, "open": 1, "states": [
                    told("gateway-1", "unhealthy", "health check: \x1b[2J"),
                    told("gateway-2", "unreachable", "1 attempt to connect failed"),
                ]},
                {"address": "127.0.0.1:4"},
            ],
        },
        {
            "name": "away", "service": "away", "load_balancing": "random", "pending": 0, "panicking": [],
            "thresholds": {}, "endpoints": [],
        },
    ]
}  # fmt: skip


def lines(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines()]


def test_each_endpoint_with_what_its_workers_think(installation: Any) -> None:
    installation.reply("GET", "/clusters", CLUSTERS)
    shown = lines(installation.run("clusters").output)
    assert shown == [
        "CLUSTER POLICY ENDPOINT WEIGHT STATE REQUESTS OPEN",
        "shop least_request 127.0.0.1:1 1 healthy 4 12",
        "127.0.0.1:2 3 ejected 0 0",
        "127.0.0.1:3 1 unhealthy, unreachable 1 1",
        "127.0.0.1:4 not reported ? ?",
        "away random none",
        "shop: 127.0.0.1:2 ejected in gateway-1: 5 failures in a row, 9 s left",
        "shop: 127.0.0.1:2 ejected in gateway-2: 5 failures in a row, 11 s left",
        r"shop: 127.0.0.1:3 unhealthy in gateway-1: health check: \x1b[2J",
        "shop: 127.0.0.1:3 unreachable in gateway-2: 1 attempt to connect failed",
        "shop: pending at the threshold of 7 in gateway-1",
        "shop: too few healthy endpoints, so all are used in gateway-2",
        "shop: 7 waiting for a connection",
    ]


def test_one_cluster_and_json(installation: Any) -> None:
    installation.reply("GET", "/clusters", CLUSTERS)
    assert json.loads(installation.run("clusters", "away", "--json").output) == CLUSTERS["clusters"][1:]
    result = installation.run("clusters", "nowhere")
    assert result.exit_code != 0
    assert 'there is no cluster "nowhere"' in result.output
