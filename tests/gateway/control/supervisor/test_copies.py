"""What is wanted of a service, what there is, and what that means for plans and ports."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.supervisor import ports
from gateway.control.supervisor.copies import MOST, Canary, Copies, Copy, Version, Wanted
from gateway.control.supervisor.manifest import parse_manifest
from gateway.control.supervisor.plan import Site, make_plan, peer_addresses, placement
from gateway.control.supervisor.process import _environment
from tests.gateway.control.supervisor.test_plan import SHOP, site


@given(st.integers(1, MOST), st.integers(0, 100))
def test_a_canary_has_its_share_of_copies_at_least_one_and_room_for_all(copies: int, weight: int) -> None:
    numbers = Wanted("v1", copies, canary=Canary("v2", weight)).canary_numbers
    assert numbers.start == copies + 1
    assert 1 <= len(numbers) <= MOST
    assert numbers.stop <= MOST + 2
    assert Wanted("v1", copies).canary_numbers == range(0)


@given(st.lists(st.tuples(st.integers(0, 13), st.integers(2, MOST + 1)), unique=True))
def test_ports_of_copies_lie_in_the_block_and_never_meet(places: list[tuple[int, int]]) -> None:
    for base in (20_480, None):
        found = [ports.of_copy(index, number, base) for index, number in places]
        assert None not in found
        assert len(set(found)) == len(found)
        if base is not None:
            assert all(base + ports.FIRSTS <= (port or 0) < base + ports.BLOCK for port in found)
    assert ports.of_copy(14, 2, 20_480) is None


def scaled(**changes: Any) -> Site:
    before = site()
    manifest: dict[str, Any] = copy.deepcopy(SHOP)
    manifest["services"][1]["versions"] = {"v1": {}, "v2": {"module": "shop.orders2", "settings": {"x": 1, "port": 7}}}
    copies = (
        Copy("orders", 1, "v1", 20_005),
        Copy("orders", 2, "v1", 20_048, place="out"),
        Copy("orders", 3, "v2", 20_049, canary=True),
    )
    wanted = Wanted("v1", 2, canary=Canary("v2", 10, {"minRequests": 20}))
    return replace(
        before,
        manifest=parse_manifest(manifest),
        copies=Copies().with_copies("orders", copies).with_wanted("orders", wanted),
        **changes,
    )


def test_each_copy_is_a_process_of_its_service() -> None:
    plans = {plan.name: plan for plan in make_plan(scaled())}
    assert [name for name, plan in plans.items() if plan.service == "orders"] == ["orders", "orders-2", "orders-3"]
    third = plans["orders-3"]
    assert (third.version, third.port, third.argv[-1]) == ("v2", 20_049, "shop.orders2")
    told = dict(third.settings or {})
    assert (told["instance"], told["version"], told["x"]) == ("orders-3", "v2", 1)
    assert told["port"] == 20_049  # a version's settings never take the place of the service's own
    assert told["data_dir"] == dict(plans["orders"].settings or {})["data_dir"]
    assert third.log.name == "orders-3.log"


def test_control_is_told_of_all_and_peers_of_those_that_serve() -> None:
    told = placement(scaled())
    assert [(one["name"], one["serving"], one["canary"]) for one in told["services"]["orders"]] == [
        ("orders", True, False), ("orders-2", False, False), ("orders-3", True, True),
    ]  # fmt: skip
    assert told["trials"] == {"orders": {"version": "v2", "weight": 10, "rollback": {"minRequests": 20}}}
    manifest = parse_manifest(
        {"services": [{"name": "orders", "module": "a"}, {"name": "shop", "module": "b", "peers": ["orders"]}]}
    )
    calling = replace(scaled(), manifest=manifest)
    assert peer_addresses(calling, calling.entry("shop")) == {"orders": ["http://127.0.0.1:20005"]}


def test_a_trial_without_a_ready_copy_is_none() -> None:
    begun = scaled()
    out = tuple(replace(one, place="out") for one in begun.copies_of("orders"))
    assert placement(replace(begun, copies=begun.copies.with_copies("orders", out)))["trials"] == {}


def test_a_folder_goes_before_what_python_would_find() -> None:
    begun = scaled()
    mine = Version("mine", path="/patched")
    copies = begun.copies.with_version("orders", mine).with_copies("orders", (Copy("orders", 1, "mine", 20_005),))
    plan = next(one for one in make_plan(replace(begun, copies=copies)) if one.name == "orders")
    assert _environment(plan, {"PYTHONPATH": "/a"})["PYTHONPATH"] == os.pathsep.join(["/patched", "/a"])
    assert _environment(plan, {})["PYTHONPATH"] == "/patched"


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        ({}, "versions are"),
        ({"V1": {}}, "short word"),
        ({"v1": {"modul": "x"}}, "unknown keys"),
        ({"v1": {"module": "os; x"}}, "module"),
        ({"v1": {"settings": 7}}, "settings"),
        ([], "versions are"),
    ],
)
def test_wrong_versions_are_refused(versions: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_manifest({"services": [{"name": "orders", "module": "shop.orders", "versions": versions}]})


def test_the_name_of_a_copy_is_no_name_for_a_service() -> None:
    with pytest.raises(ValueError, match="copy of orders"):
        parse_manifest({"services": [{"name": "orders", "module": "a"}, {"name": "orders-2", "module": "b"}]})
