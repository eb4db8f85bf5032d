"""Connections counted in total and by address, and forgotten when they end."""

from __future__ import annotations

from random import Random

import pytest

from gateway.roles.admission import Admission
from gateway.roles.worker import Worker
from gateway.spec.models import Listener


def admission(**limits: int | None) -> Admission:
    one = Admission()
    one.configure(Listener(name="public", port=0, **limits))
    return one


def test_the_total_is_bounded() -> None:
    one = admission(max_connections=2)
    assert [one.enter(seat, f"192.0.2.{seat}") for seat in range(3)] == ["", "", "too_many_connections"]
    assert len(one) == 2
    one.leave(0)
    assert one.enter(3, "192.0.2.3") == ""


def test_so_is_the_number_for_one_address() -> None:
    one = admission(max_connections=10, max_connections_per_address=2)
    assert [one.enter(seat, "192.0.2.1") for seat in range(3)] == ["", "", "too_many_connections_of_address"]
    assert one.enter(3, "192.0.2.2") == ""
    one.leave(1)
    one.leave(1)  # once is enough, twice does no harm
    assert [one.enter(seat, "192.0.2.1") for seat in (4, 5)] == ["", "too_many_connections_of_address"]


def test_one_address_takes_at_most_half_unless_told_otherwise() -> None:
    def limit(**limits: int) -> int:
        return Listener(name="public", port=0, **limits).connections_per_address

    assert limit() == 5_000
    assert limit(max_connections=5) == 3
    assert limit(max_connections=1) == 1
    assert limit(max_connections_per_address=0) == 0
    assert limit(max_connections_per_address=7) == 7
    assert limit(trusted_hops=1) == 0


@pytest.mark.parametrize(
    ("client", "counts_for"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_whose_limit_it_is(client: str, counts_for: str) -> None:
    worker = Worker("test", lambda: 0.0, Random(1), None)
    assert worker.limit_address(client) == counts_for
    assert worker.limit_address(client) == counts_for  # remembered


def test_zero_is_no_limit() -> None:
    one = admission(max_connections=100, max_connections_per_address=0)
    assert {one.enter(seat, "192.0.2.1") for seat in range(100)} == {""}


def test_addresses_without_connections_are_forgotten() -> None:
    one = admission()
    for seat in range(100):
        one.enter(seat, f"192.0.2.{seat}")
        one.leave(seat)
    assert one._counts == {}
    assert 5 not in one
