"""Who gets the next request: shares by weight, the less busy of two, and who moves when an endpoint goes."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.http.client import ClientConnection
from gateway.http.messages import Request
from gateway.spec.endpoints import HashOn
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.balancer import KINDS, Unavailable
from gateway.upstream.cluster import Cluster
from gateway.upstream.endpoint import Endpoint
from gateway.upstream.ring import key_function


class Asker:
    """Somebody who wants an endpoint."""

    def __init__(self, *headers: tuple[bytes, bytes], claims: dict[str, Any] | None = None) -> None:
        self.request = Request("GET", "/", "", list(headers), dict(headers), "a")
        self.request.claims = claims

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None: ...

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None: ...


ANY = Asker()


def cluster(policy: str, weights: list[int], seed: int = 1, **more: Any) -> Cluster:
    listed = [{"address": f"127.0.0.1:{port}", "weight": weight} for port, weight in enumerate(weights, 1)]
    if policy == "ring_hash":
        more.setdefault("hash_on", HashOn(type="Header", name="x-key"))
    spec = ClusterSpec(name="shop", endpoints=listed, load_balancing=policy, **more)
    return Cluster(spec, spec.listed, lambda: 0.0, Random(seed))


def key(value: str) -> Asker:
    return Asker((b"x-key", value.encode()))


def picks(one: Cluster, count: int, keys: bool = False) -> Counter[int]:
    return Counter(one._pick(key(str(number)) if keys else ANY).port for number in range(count))


weights = st.lists(st.integers(1, 20), min_size=1, max_size=8)


@pytest.mark.parametrize("policy", [*KINDS, "ring_hash"])
@given(weights=weights, seed=st.integers(0, 1_000))
@settings(max_examples=15, deadline=None)
def test_everybody_gets_its_share(policy: str, weights: list[int], seed: int) -> None:
    count = 4_000
    found = picks(cluster(policy, weights, seed), count, keys=policy == "ring_hash")
    assert sum(found.values()) == count
    for port, weight in enumerate(weights, 1):
        share = weight / sum(weights)
        slack = {"round_robin": 2 / count, "ring_hash": 0.12}.get(policy, 0.05)
        assert abs(found[port] / count - share) < slack + 0.02 * (policy == "ring_hash") + 1e-9


@pytest.mark.parametrize("policy", [*KINDS, "ring_hash"])
def test_what_must_be_avoided_is_avoided_as_long_as_there_is_another(policy: str) -> None:
    for given_weights in ([1, 1, 1], [3, 1, 2]):
        one = cluster(policy, given_weights)
        first, second, third = one.endpoints
        for number in range(200):
            asker = key(str(number))
            assert one._pick_for(asker, (first, third), None) is second
            assert one._pick_for(asker, {first}, None) is not first
            assert one._pick_for(asker, (first, second, third), None) in (first, second)
            assert one._pick_for(asker, (third, first, second), None) in (first, third)
        shares = Counter(one._pick_for(key(str(number)), {first}, None) for number in range(400))
        assert min(shares[second], shares[third]) > 80


def test_round_robin_takes_turns_and_workers_begin_anywhere() -> None:
    one = cluster("round_robin", [1, 1, 1])
    taken = [one._pick(ANY).port for _ in range(9)]
    assert taken[:3] == taken[3:6] == taken[6:]
    assert sorted(taken[:3]) == [1, 2, 3]
    assert {cluster("round_robin", [1, 1, 1], seed)._pick(ANY).port for seed in range(20)} == {1, 2, 3}


def test_weighted_turns_are_spread_out() -> None:
    one = cluster("round_robin", [5, 1])
    taken = "".join(str(one._pick(ANY).port) for _ in range(60))
    assert "2" * 2 not in taken
    assert "1" * 7 not in taken


class Drawn(Random):
    """Randomness that a test chooses."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(0)
        self.numbers = list(numbers)

    def random(self) -> float:
        return self.numbers.pop(0)


fractions = st.floats(0, 1, exclude_max=True)


@given(busy=st.lists(st.integers(0, 50), min_size=2, max_size=9), first=fractions, second=fractions)
def test_least_request_never_takes_the_busier_of_the_two(busy: list[int], first: float, second: float) -> None:
    one = cluster("least_request", [1] * len(busy))
    for endpoint, active in zip(one.endpoints, busy, strict=True):
        endpoint.active = active // 2
        endpoint.connecting = active - active // 2
    one._balancer.random = Drawn(first, second)
    taken = one.endpoints.index(one._pick(ANY))
    drawn = int(first * len(busy))
    other = (drawn + 1 + int(second * (len(busy) - 1))) % len(busy)
    assert drawn != other
    assert taken in (drawn, other)
    assert busy[taken] == min(busy[drawn], busy[other])


@given(
    weights=st.lists(st.integers(1, 128), min_size=2, max_size=6).filter(lambda found: len(set(found)) > 1),
    first=fractions,
    second=fractions,
    data=st.data(),
)
def test_weighted_least_request_compares_two_different_ones(
    weights: list[int], first: float, second: float, data: st.DataObject
) -> None:
    one = cluster("least_request", weights)
    compared = set()
    for chosen in one.endpoints:  # whoever is not busy while all others are must be one of the two to be taken
        for endpoint in one.endpoints:
            endpoint.active = 0 if endpoint is chosen else 10**9
        one._balancer.random = Drawn(first, second)
        if one._pick(ANY) is chosen:
            compared.add(chosen.port)
    assert len(compared) == 2


def test_a_slow_endpoint_gets_less() -> None:
    one = cluster("least_request", [1, 1, 1, 1])
    one.endpoints[0].active = 1_000
    found: Counter[int] = Counter()
    for _ in range(900):
        taken = one._pick(ANY)
        taken.active += 1
        found[taken.port] += 1
    assert found[1] == 0


@given(count=st.integers(2, 12), gone=st.integers(0, 11), seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_on_a_ring_only_the_keys_of_the_one_that_goes_move(count: int, gone: int, seed: int) -> None:
    ring = cluster("ring_hash", [1] * count)
    keys = [key(f"{seed}-{number}") for number in range(300)]
    before = [ring._pick(one).address for one in keys]
    lost = ring.endpoints[gone % count].address
    ring.replace_endpoints([one.address for one in ring.endpoints if one.address != lost])
    after = [ring._pick(one).address for one in keys]
    assert all(new == old for old, new in zip(before, after, strict=True) if old != lost)
    assert lost not in after
    ring.replace_endpoints(sorted({*after, *before}))
    assert [ring._pick(one).address for one in keys] == before


def test_on_a_ring_an_endpoint_that_is_left_out_is_as_one_that_went() -> None:
    ring, smaller = cluster("ring_hash", [1, 1, 1, 1]), cluster("ring_hash", [1, 1, 1])
    fourth = ring.endpoints[3]
    fourth.usable = False
    ring._choose_anew()
    keys = [key(str(number)) for number in range(300)]
    assert [ring._pick(one).port for one in keys] == [smaller._pick(one).port for one in keys]
    assert [ring._pick_for(one, {fourth}, None).port for one in keys] == [smaller._pick(one).port for one in keys]


def test_a_large_ring_stays_small_and_moves_little() -> None:
    ring = cluster("ring_hash", [128] * 20)
    assert len(ring._ring._places) <= 16_384
    keys = [key(str(number)) for number in range(1_000)]
    before = [ring._pick(one).port for one in keys]
    ring.replace_endpoints([one.address for one in ring.endpoints[:-1]], {f"127.0.0.1:{n}": 128 for n in range(1, 20)})
    moved = sum(1 for old, one in zip(before, keys, strict=True) if old != 20 and ring._pick(one).port != old)
    assert moved < 60


@pytest.mark.parametrize(
    ("hash_on", "asker", "found"),
    [
        (HashOn(type="Header", name="X-Key"), Asker((b"x-key", b"k")), "k"),
        (HashOn(type="Header", name="X-Key"), ANY, None),
        (HashOn(type="Cookie", name="cart"), Asker((b"cookie", b'a=1; cart="c7"; cart=2')), "c7"),
        (HashOn(type="Cookie", name="cart"), Asker((b"cookie", b"cartoon=1")), None),
        (HashOn(type="Cookie", name="cart"), ANY, None),
        (HashOn(type="Claim", name="tenant"), Asker(claims={"tenant": 7}), "7"),
        (HashOn(type="Claim", name="tenant"), Asker(claims={}), None),
        (HashOn(type="Claim", name="tenant"), ANY, None),
    ],
)
def test_keys(hash_on: HashOn, asker: Asker, found: str | None) -> None:
    assert key_function(hash_on)(asker.request) == found


def test_the_address_is_a_key_and_no_key_goes_anywhere() -> None:
    ANY.request.address = "192.0.2.1"
    assert key_function(HashOn(type="Address"))(ANY.request) == "192.0.2.1"
    one = cluster("ring_hash", [1, 1, 1])
    assert set(picks(one, 100)) == {1, 2, 3}
    assert {one._pick(key("same")).port for _ in range(100)} == {one._pick(key("same")).port}


@pytest.mark.parametrize("policy", [*KINDS, "ring_hash"])
def test_nobody_and_nobody_healthy(policy: str) -> None:
    with pytest.raises(Unavailable, match="no_endpoint"):
        cluster(policy, []).acquire(ANY)
    one = cluster(policy, [1, 1], panic_threshold=0)
    for endpoint in one.endpoints:
        endpoint.usable = False
    one._choose_anew()
    with pytest.raises(Unavailable, match="no_healthy_endpoint"):
        one.acquire(ANY)
    with pytest.raises(Unavailable, match="no_healthy_endpoint"):
        one.acquire(ANY, avoid=one.endpoints)


@pytest.mark.parametrize(("bad", "used"), [(0, 4), (1, 3), (2, 2), (3, 4), (4, 4)])
def test_below_half_of_them_all_are_used(bad: int, used: int) -> None:
    one = cluster("round_robin", [1, 1, 1, 1])
    for endpoint in one.endpoints[:bad]:
        endpoint.usable = False
    one._choose_anew()
    assert len(picks(one, 40)) == used
    assert one.panicking is (bad > 2)


def test_all_addresses_of_a_name_have_its_weight() -> None:
    one = cluster("round_robin", [1])
    one.authorities = {"192.0.2.1:80": "shop.example:80", "192.0.2.2:80": "shop.example:80"}
    one.replace_endpoints(["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"], {"shop.example:80": 5, "192.0.2.3:80": 2})
    assert [endpoint.weight for endpoint in one.endpoints] == [5, 5, 2]
