"""Who gets the canary: by weight, by header, and after a roll-back nobody."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.compile.compiler import Runtime, compile_spec
from gateway.compile.load import load_text
from gateway.compile.snapshot import CanaryRoute, Snapshot
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.spec.models import Canary as CanarySpec
from gateway.spec.models import CanaryHeader
from gateway.upstream.canary import Canary, read_orders

HEADER = CanaryHeader(name="x-canary", value="1")
VALUES = st.sampled_from([b"1", b"never", b"0", b"", b"1 "])


def asked(value: bytes | None = None) -> Request:
    headers = [] if value is None else [(b"x-canary", value)]
    return Request("GET", "/", "", headers, dict(headers), "a")


def canary(weight: int = 0, header: CanaryHeader | None = HEADER) -> Canary:
    return Canary(CanarySpec(cluster="v2", weight=weight, header=header))


@given(st.integers(0, 100), st.integers())
def test_the_share_is_the_weight(weight: int, seed: int) -> None:
    one, random = canary(weight), Random(seed)
    taken = sum(one.takes(asked(), random) for _ in range(1_000))
    assert abs(taken - 10 * weight) <= 80  # five standard deviations of the widest
    assert weight or not taken
    assert weight < 100 or taken == 1_000


@given(st.integers(0, 100), VALUES, st.integers())
def test_a_header_leaves_nothing_to_chance(weight: int, value: bytes, seed: int) -> None:
    one = canary(weight)
    assert one.takes(asked(value), Random(seed)) is (value == b"1")
    assert one.certain(asked(value)) is (value == b"1")
    assert not one.drawn(asked(value))
    assert one.drawn(asked())


@given(VALUES | st.none(), st.integers())
def test_after_a_roll_back_nobody_gets_it(value: bytes | None, seed: int) -> None:
    one = canary(50)
    one.obey({"of": one.digest, "weight": 0, "open": False})
    assert not one.takes(asked(value), Random(seed))
    assert one.certain(asked(value)) is False


@given(VALUES | st.none(), st.integers(0, 100))
def test_what_is_said_to_be_certain_happens(value: bytes | None, weight: int) -> None:
    one, random = canary(weight), Random(weight)
    certain = one.certain(asked(value))
    taken = {one.takes(asked(value), random) for _ in range(50)}
    assert certain is None or taken == {certain}


def test_without_a_header_in_the_configuration_no_request_chooses() -> None:
    one = canary(0, header=None)
    assert one.drawn(asked(b"1"))
    assert not one.takes(asked(b"1"), Random(1))


def test_an_order_for_another_block_is_not_obeyed() -> None:
    one, other = canary(10), canary(20)
    one.obey({"of": other.digest, "weight": 100, "open": True})
    one.obey(None)
    assert one.weight == 10


CONFIG = """
listeners: [{name: public, port: 1}]
clusters:
  - {name: v1, endpoints: ["127.0.0.1:1"]}
  - {name: v2, endpoints: ["127.0.0.1:2"]}
routes:
  - {name: all, public: true, backendRefs: [{cluster: v1}], canary: {cluster: v2, weight: 100}}
"""


def compiled(text: str, before: Snapshot) -> Snapshot:
    runtime = Runtime(Metrics(), lambda: 0.0, lambda: 0.0, Random(1))
    return compile_spec(load_text(text, "test.yaml", {}), {}, 1, runtime, before)


def test_a_reload_keeps_counts_and_orders_unless_the_block_is_another() -> None:
    first = compiled(CONFIG, Snapshot.empty())
    moved = compiled(CONFIG.replace("127.0.0.1:2", "127.0.0.1:3"), first)
    assert moved.canaries["all"] is first.canaries["all"]
    (route,) = (entry.target for entry in moved.tables["public"])
    assert isinstance(route, CanaryRoute)
    assert route.pick_cluster(asked(), Random(1)) is moved.clusters["v2"]  # the new cluster, not the one before
    changed = compiled(CONFIG.replace("weight: 100", "weight: 90"), moved)
    assert changed.canaries["all"] is not first.canaries["all"]


def test_orders_are_read_from_what_control_wrote(tmp_path: Path) -> None:
    file = tmp_path / "canaries.json"
    assert read_orders(file) == {}
    file.write_text(json.dumps({"canaries": {"all": {"of": "x", "weight": 5, "open": True, "why": "because"}}}))
    assert read_orders(file) == {"all": {"of": "x", "weight": 5, "open": True}}
    for broken in ("[", "{}", "[]", '{"canaries": {"all": {}}}'):
        file.write_text(broken)
        with pytest.raises(ValueError, match=r"."):
            read_orders(file)
