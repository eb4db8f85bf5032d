"""Kept answers are bounded, counted exactly, and what is used stays."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.filters.cache_key import Key, Place
from gateway.filters.cache_pending import Pending
from gateway.filters.cache_policy import Terms, Times
from gateway.filters.cache_store import MAX_PASSING, MAX_VARIANTS, PASSING_SECONDS, Entry, Zone
from gateway.spec.models import CacheZone

TERMS = Terms(60, 0, True, False, False, 0, 0)


def key(path: str = "/", query: str = "") -> Key:
    return Key(Place("a", path), "http", query, "all", ())


def entry(path: str = "/", size: int = 10, query: str = "", mark: bytes = b"", shared: bool = True) -> Entry:
    names = (b"accept",) if mark else ()
    return Entry(key(path, query), names, mark, 200, [], b"x" * size, TERMS._replace(shared=shared), Times(0, 0, 0))


def zone(clock: Any, **fields: int) -> Zone:
    return Zone(CacheZone(**{"name": "main", "max_bytes": 100_000, "max_object_bytes": 12_000, **fields}), clock)


def test_a_scan_does_not_push_out_what_is_used(clock: Any) -> None:
    memory = zone(clock)
    wanted = [entry(f"/wanted/{number}", 1_000) for number in range(10)]
    for one in wanted:
        memory.put(one)
        memory.touch(one)
    for number in range(500):
        memory.put(entry("/scan", 1_000, query=str(number)))
    assert all(memory.find(one.key, (), False) is one for one in wanted)
    assert memory.bytes <= 100_000


def test_without_protection_what_was_used_longest_ago_goes(clock: Any) -> None:
    memory = zone(clock, max_entries=3)
    for path in "abcd":
        memory.put(entry(f"/{path}"))
    assert [one.key.place.path for one in memory] == ["/b", "/c", "/d"]


def test_the_largest_answer_finds_room(clock: Any) -> None:
    memory = zone(clock)
    for number in range(40):
        one = entry(f"/{number}", 2_000)
        memory.put(one)
        memory.touch(one)
    large = entry("/large", 12_000)
    memory.put(large)
    assert memory.find(large.key, (), False) is large
    assert memory.bytes <= 100_000


def test_variants_of_one_key_are_bounded(clock: Any) -> None:
    memory = zone(clock)
    for number in range(50):
        memory.put(entry(mark=b"%d" % number))
    assert len(memory) == MAX_VARIANTS


def test_an_answer_for_all_replaces_one_for_nobody_and_not_the_other_way(clock: Any) -> None:
    memory = zone(clock)
    for_all, for_nobody = entry(shared=True), entry(shared=False)
    memory.put(for_all)
    memory.put(for_nobody)
    assert memory.find(key(), (), True) is for_all
    assert memory.find(key(), (), False) is for_nobody
    memory.put(entry(shared=True))
    assert len(memory) == 1


def test_a_write_ends_every_query_and_what_is_on_its_way(clock: Any) -> None:
    memory = zone(clock)
    for query in ("", "a", "b"):
        memory.put(entry("/x", query=query))
    memory.put(entry("/xy"))
    mine, other = Pending(Place("a", "/x"), 0.0), Pending(Place("a", "/xy"), 0.0)
    memory.pending |= {mine, other}
    assert memory.invalidate(Place("a", "/x")) == 3
    assert memory.invalidate(Place("a", "/x")) == 0
    assert (mine.tainted, other.tainted, len(memory)) == (True, False, 1)


def test_purging(clock: Any) -> None:
    memory = zone(clock)
    for path in ("/a", "/a/b", "/ab", "/c"):
        memory.put(entry(path))
    under_way = Pending(Place("b", "/a/x"), 0.0)
    memory.pending.add(under_way)
    seen = [(memory.purge(path), under_way.tainted) for path in ("/a", "/a/*", None)]
    assert seen == [(1, False), (1, True), (2, True)]
    assert (len(memory), memory.bytes) == (0, 0)


def test_who_passes_by_is_remembered_for_a_while_and_bounded(clock: Any) -> None:
    memory = zone(clock)
    first = (key(), False, b"")
    memory.pass_by(first)
    assert memory.passes(first)
    clock.now += PASSING_SECONDS
    assert not memory.passes(first)
    memory.pass_by(first)
    for number in range(MAX_PASSING):
        memory.pass_by((key(query=str(number)), False, b""))
    assert not memory.passes(first)


def test_a_view_tells_no_queries(clock: Any) -> None:
    memory = zone(clock)
    one = entry("/x", query="token=secret")
    memory.put(one)
    memory.touch(one)
    (told,) = memory.view(20)["top"]
    assert (told["path"], told["has_query"], told["hits"]) == ("/x", True, 1)
    assert "secret" not in str(told)


step = st.one_of(
    st.tuples(
        st.just("put"), st.integers(0, 8), st.integers(0, 9_000), st.sampled_from([b"", b"a", b"b"]), st.booleans()
    ),
    st.tuples(st.just("touch"), st.integers(0, 8)),
    st.tuples(st.just("drop"), st.integers(0, 8)),
    st.tuples(st.just("invalidate"), st.integers(0, 8)),
    st.tuples(st.just("purge"), st.sampled_from(["/1*", "/2", None])),
)


@settings(max_examples=200)
@given(st.lists(step, max_size=60))
def test_whatever_happens_it_is_bounded_and_counts_exactly(steps: list[Any]) -> None:
    memory = zone(lambda: 0.0, max_bytes=70_000, max_entries=12, max_object_bytes=8_750)
    for what, *args in steps:
        found = list(memory)
        if what == "put":
            number, size, mark, shared = args
            memory.put(entry(f"/{number}", size, mark=mark, shared=shared))
        elif what == "invalidate":
            memory.invalidate(Place("a", f"/{args[0]}"))
        elif what == "purge":
            memory.purge(args[0])
        elif found:
            getattr(memory, what)(found[args[0] % len(found)])
        entries = list(memory)
        assert memory.bytes == sum(one.size for one in entries) <= 70_000
        assert len(memory) == len(entries) <= 12
        assert memory._protected_bytes == sum(one.size for one in memory._protected) <= 0.8 * 70_000
        assert sorted(map(id, entries)) == sorted(id(one) for group in memory._groups.values() for one in group)
        assert {one.key for one in entries} == {one for keys in memory._places.values() for one in keys}
