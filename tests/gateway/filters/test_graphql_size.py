"""Measuring by parts gives what writing everything out gives: compared with a slow reference that does the latter."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.graphql_document import measure, read

FRAGMENTS = 4
Node = tuple[Any, ...]
"""("field", alias, length, children), ("inline", children) or ("spread", number of a fragment)."""


def nodes(first: int) -> st.SearchStrategy[list[Node]]:
    """Selections that spread only fragments from number `first` on, so that none leads back to itself."""
    lengths = st.one_of(st.none(), st.integers(-2, 6), st.sampled_from(["$n", "$m"]))
    fields: st.SearchStrategy[Node] = st.tuples(st.just("field"), st.booleans(), lengths, st.just([]))
    spreads = [st.tuples(st.just("spread"), st.integers(first, FRAGMENTS - 1))] if first < FRAGMENTS else []

    def inner(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(children, min_size=1, max_size=3)
        return st.one_of(
            st.tuples(st.just("field"), st.booleans(), lengths, several), st.tuples(st.just("inline"), several)
        )

    return st.lists(st.recursive(st.one_of(fields, *spreads), inner, max_leaves=6), min_size=1, max_size=3)


DOCUMENTS = st.tuples(nodes(0), *(nodes(number + 1) for number in range(FRAGMENTS)))


def text(selection: list[Node]) -> str:
    return "{ " + " ".join(map(written, selection)) + " }"


def written(node: Node) -> str:
    if node[0] == "spread":
        return f"...F{node[1]}"
    if node[0] == "inline":
        return f"... on Q {text(node[1])}"
    _, alias, length, children = node
    argument = "" if length is None else f"(first: {length})"
    return f"{'x: ' if alias else ''}f{argument} {text(children) if children else ''}"


def expanded(selection: list[Node], fragments: tuple[list[Node], ...]) -> list[Node]:
    """The fields of a selection with every fragment written out."""
    found: list[Node] = []
    for node in selection:
        if node[0] == "field":
            found.append((*node[:3], expanded(node[3], fragments)))
        else:
            found += expanded(fragments[node[1]] if node[0] == "spread" else node[1], fragments)
    return found


def slow(fields: list[Node], variables: dict[str, int]) -> tuple[int, int, int, int]:
    """Depth, fields, aliases, cost."""
    depth = count = aliases = cost = 0
    for _, alias, length, children in fields:
        inner = slow(children, variables)
        times = variables[length[1:]] if isinstance(length, str) else 1 if length is None else length
        depth = max(depth, 1 + inner[0])
        count += 1 + inner[1]
        aliases += alias + inner[2]
        cost += 1 + max(times, 1) * inner[3]
    return depth, count, aliases, cost


@given(DOCUMENTS, st.integers(-1, 5), st.integers(-1, 5))
def test_measured_by_parts_is_measured_as_a_whole(document: tuple[list[Node], ...], n: int, m: int) -> None:
    selection, *fragments = document
    definitions = " ".join(f"fragment F{number} on Q {text(one)}" for number, one in enumerate(fragments))
    source = f"query ($n: Int, $m: Int) {text(selection)} {definitions}"
    (operation,) = measure(read(source, 20_000), FRAGMENTS, ("first",))
    size, variables = operation.size, {"n": n, "m": m}
    found = (size.depth, size.fields, size.aliases, size.cost.value(variables, operation.defaults))
    assert found == slow(expanded(selection, tuple(fragments)), variables)
