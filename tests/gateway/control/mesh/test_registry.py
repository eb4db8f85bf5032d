"""Where sidecars are: who may say so is the channel's business, for how long it counts is told here."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control.mesh.registry import LEASE, MAX_INSTANCES, Registry

LINE = object()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_endpoints_are_those_that_registered(clock: Clock) -> None:
    registry = Registry(clock)
    assert registry.register("orders-2-sidecar", "orders", "127.0.0.1:2", LINE)
    assert registry.register("orders-1-sidecar", "orders", "127.0.0.1:1", LINE)
    assert registry.register("identity-sidecar", "identity", "127.0.0.1:3", LINE)
    assert registry.endpoints() == {"orders": ["127.0.0.1:1", "127.0.0.1:2"], "identity": ["127.0.0.1:3"]}
    assert not registry.register("identity-sidecar", "identity", "127.0.0.1:3", LINE)
    assert registry.register("identity-sidecar", "identity", "127.0.0.1:4", LINE)


def test_who_is_gone_stands_for_a_lease_and_no_longer(clock: Clock) -> None:
    registry = Registry(clock)
    registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    registry.lost("orders-sidecar", LINE)
    clock.now += LEASE - 0.1
    assert not registry.expire()
    clock.now += 0.1
    assert registry.expire()
    assert registry.endpoints() == {}


def test_the_end_of_anothers_line_changes_nothing(clock: Clock) -> None:
    registry = Registry(clock)
    registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    registry.lost("orders-sidecar", object())
    clock.now += 10 * LEASE
    assert not registry.expire()


def test_who_comes_back_within_its_lease_stays(clock: Clock) -> None:
    registry = Registry(clock)
    registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    registry.lost("orders-sidecar", LINE)
    assert not registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    clock.now += 10 * LEASE
    assert not registry.expire()


def test_a_control_process_that_starts_again_knows_who_was_there(clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    Registry(clock, file).register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    again = Registry(clock, file)
    assert again.endpoints() == {"orders": ["127.0.0.1:1"]}
    clock.now += LEASE
    assert again.expire()
    assert again.endpoints() == {}


def test_a_name_belongs_to_one_service_and_there_are_not_too_many(clock: Clock) -> None:
    registry = Registry(clock)
    registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    with pytest.raises(ValueError, match="sidecar of orders"):
        registry.register("orders-sidecar", "identity", "127.0.0.1:2", LINE)
    for number in range(MAX_INSTANCES - 1):
        registry.register(f"one-{number}", "orders", f"127.0.0.1:{number + 10}", LINE)
    with pytest.raises(ValueError, match="too many"):
        registry.register("another", "orders", "127.0.0.1:9", LINE)


def test_what_is_stopped_on_purpose_is_gone_at_once(clock: Clock) -> None:
    registry = Registry(clock)
    registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    assert registry.remove("orders-sidecar")
    assert not registry.remove("orders-sidecar")


def test_who_is_not_placed_is_there_and_gets_nothing(clock: Clock) -> None:
    registry = Registry(clock)
    registry.register("orders-sidecar", "orders", "127.0.0.1:1", LINE)
    registry.place({"orders-sidecar": "orders"}, {"orders-sidecar"})
    assert not registry.register("orders-2-sidecar", "orders", "127.0.0.1:2", LINE)
    assert registry.endpoints() == {"orders": ["127.0.0.1:1"]}
    both = {"orders-sidecar": "orders", "orders-2-sidecar": "orders.v2"}
    assert registry.place(both, both.keys())
    assert registry.endpoints() == {"orders": ["127.0.0.1:1"], "orders.v2": ["127.0.0.1:2"]}


def test_nobody_waits_for_the_lease_of_one_that_was_stopped_on_purpose(clock: Clock) -> None:
    registry = Registry(clock)
    for number in (1, 2):
        registry.register(f"orders-{number}-sidecar", "orders", f"127.0.0.1:{number}", LINE)
    registry.lost("orders-2-sidecar", LINE)
    registry.place({"orders-1-sidecar": "orders"}, {"orders-1-sidecar"})
    assert set(registry.entries) == {"orders-1-sidecar"}
