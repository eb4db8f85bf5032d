"""Copies and trials: what a configuration becomes, who must know, and what happens when one of them refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.placement import Copy, Placement, Trial, shape, tried
from tests.gateway.control.conftest import CONFIG

Document = dict[str, Any]
MORE = "  - {name: more, public: true, matches: [{path: {value: /more}}], backendRefs: [{cluster: orders}]}\n"


def document(*routes: Document) -> Document:
    clusters = [
        {"name": "orders", "service": "orders", "endpoints": []},
        {"name": "slow-orders", "service": "orders", "endpoints": []},
        {"name": "other", "service": None, "endpoints": ["127.0.0.1:1"]},
    ]
    return {"clusters": clusters, "routes": list(routes)}


def route(name: str, *clusters: str, **more: Any) -> Document:
    return {"name": name, "canary": None, "backendRefs": [{"cluster": one, "weight": 1} for one in clusters], **more}


TRIALS = {"orders": Trial(version="v2", weight=10)}


def test_each_route_to_the_service_alone_gets_a_canary() -> None:
    own = {"cluster": "other", "weight": 5}
    before = document(
        route("one", "orders"),
        route("two", "slow-orders"),
        route("mixed", "orders", "other"),
        route("has-one", "orders", canary=own),
        route("else", "other"),
    )
    shaped = shape(before, TRIALS)
    canaries = {one["name"]: one["canary"] and one["canary"]["cluster"] for one in shaped["routes"]}
    assert canaries == {"one": "orders.v2", "two": "slow-orders.v2", "mixed": None, "has-one": "other", "else": None}
    twins = {one["name"]: one["service"] for one in shaped["clusters"][3:]}
    assert twins == {"orders.v2": "orders.v2", "slow-orders.v2": "orders.v2"}
    assert [(group, one["name"]) for group, one in tried(shaped)] == [("orders.v2", "one"), ("orders.v2", "two")]
    assert list(tried(before)) == []


@given(
    st.lists(st.lists(st.sampled_from(["orders", "slow-orders", "other"]), min_size=1, max_size=3), max_size=5),
    st.integers(0, 100),
    st.sampled_from(["v2", "v3"]),
)
def test_shaping_leaves_nothing_behind(destinations: list[list[str]], weight: int, version: str) -> None:
    before = document(*(route(f"r{number}", *clusters) for number, clusters in enumerate(destinations)))
    trials = {"orders": Trial(version=version, weight=weight)}
    once = shape(before, trials)
    assert shape(once, trials) == once
    assert shape(once, {}) == before
    assert shape(shape(before, TRIALS), trials) == once


def test_a_name_that_is_taken_is_refused() -> None:
    taken = document(route("one", "orders"))
    taken["clusters"].append({"name": "orders.v2", "service": None, "endpoints": ["127.0.0.1:1"]})
    with pytest.raises(ValueError, match=r"orders\.v2"):
        shape(taken, TRIALS)


def copy(name: str, port: int, **more: Any) -> Copy:
    return Copy(name=name, version="v1", address=f"127.0.0.1:{port}", **more)


def test_addresses_by_group() -> None:
    placement = Placement(
        services={
            "orders": (
                copy("orders", 1),
                copy("orders-2", 2, serving=False),
                Copy(name="orders-3", version="v2", address="127.0.0.1:3", canary=True),
            ),
            "alerts": (copy("alerts", 4, serving=False),),
        }
    )
    assert placement.groups() == {"orders": "orders", "orders-3": "orders.v2"}
    assert placement.endpoints() == {"orders": ["127.0.0.1:1"], "orders.v2": ["127.0.0.1:3"], "alerts": []}


# -- a running control process ------------------------------------------------------------------------------------


def placed(*ports: int, weight: int | None = None) -> Document:
    copies: list[Document] = [
        {"name": f"orders-{port}", "version": "v1", "address": f"127.0.0.1:{port}"} for port in ports
    ]
    trials: Document = {}
    if weight is not None:
        copies.append({"name": "new", "version": "v2", "address": "127.0.0.1:9", "canary": True})
        trials["orders"] = {"version": "v2", "weight": weight, "rollback": {"minRequests": 20}}
    return {"services": {"orders": copies}, "trials": trials}


def write(config: Path, text: str) -> None:
    config.write_text(text)


def endpoints(instance: Any) -> Any:
    return instance.plane.reloader.current.endpoints


async def test_workers_have_said_so_before_the_answer(instance: Any) -> None:
    worker = await instance.worker()
    told = await instance.post("/placement", placed(1, 2))
    assert endpoints(instance)["orders"] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert worker.version == told["version"]
    assert (await instance.get("/placement"))["services"]["orders"][1]["name"] == "orders-2"


async def test_a_broken_file_does_not_keep_copies_from_moving(instance: Any, config: Path) -> None:
    await instance.worker()
    write(config, "listeners: [")
    await instance.post("/placement", placed(1, 2))
    assert endpoints(instance)["orders"] == ["127.0.0.1:1", "127.0.0.1:2"]


async def test_who_refuses_keeps_all_from_it(instance: Any) -> None:
    worker = await instance.worker()
    await instance.post("/placement", placed(1))
    worker.reject = lambda snapshot: "not this" if len(snapshot["endpoints"]["orders"]) > 1 else None
    refused = await instance.post("/placement", placed(1, 2), status=409)
    assert refused["reason"] == "placement_refused"
    assert "not this" in refused["detail"]
    assert endpoints(instance)["orders"] == ["127.0.0.1:1"]
    assert len((await instance.get("/placement"))["services"]["orders"]) == 1


async def test_whether_a_copy_is_in_use_all_are_asked_and_silence_counts(instance: Any) -> None:
    one, other = await instance.worker(), await instance.worker("gateway-2", 102)
    one.answers = other.answers = lambda request: {"left": 2 if request["address"] == "127.0.0.1:1" else 0}
    assert (await instance.get("/leaving?address=127.0.0.1:1"))["left"] == 4
    assert (await instance.get("/leaving?address=127.0.0.1:2"))["left"] == 0
    other.answers = lambda request: None
    assert (await instance.get("/leaving?address=127.0.0.1:2"))["left"] == 1


async def test_nobody_places_without_the_secret(instance: Any) -> None:
    async with instance.http.post(instance.url + "/placement", json=placed(1)) as answer:
        assert answer.status == 401
    assert (await instance.post("/placement", {"services": 7}, status=422))["reason"] == "invalid_body"


async def test_a_trial_is_judged_over_all_routes_and_the_supervisor_told(
    instance: Any, supervisor: Any, config: Path
) -> None:
    worker = await instance.worker()
    write(config, CONFIG + MORE)
    await instance.post("/reload")
    await instance.post("/placement", placed(1, weight=10))
    (one,) = (await instance.get("/canaries"))["canaries"]
    assert (one["route"], one["weight"], one["state"]) == ("orders.v2", 10, "running")
    assert worker.orders["canaries"].keys() == {"orders", "more"}

    def side(requests: int, failures: int) -> Document:
        return {"requests": requests, "failures": failures, "times": []}

    def report(requests: int, failures: int) -> None:
        canaries = {
            name: {"of": order["of"], "canary": side(requests, failures), "stable": side(10 * requests, 0)}
            for name, order in worker.orders["canaries"].items()
        }
        worker.send(type="stats", families=[], canaries=canaries)

    report(0, 0)
    report(12, 6)  # too few on each route, enough on both
    await instance.until(lambda: any(asked.get("do") == "canary-failed" for asked in supervisor.asked))
    (asked,) = [one for one in supervisor.asked if one["do"] == "canary-failed"][:1]
    assert (asked["name"], asked["version"]) == ("orders", "v2")
    assert "12 of 24 requests failed" in asked["why"]
    await instance.until(lambda: {one["weight"] for one in worker.orders["canaries"].values()} == {0})
    await instance.post("/placement", placed(1))
    assert (await instance.get("/canaries"))["canaries"] == []
