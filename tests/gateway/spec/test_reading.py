"""From YAML text to data and places, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml._yaml import CParser

from gateway.spec import reading
from gateway.spec.errors import SpecErrors
from gateway.spec.reading import MAX_BYTES, parse, plain, read_file
from gateway.spec.slow_yaml import Parser
from gateway.spec.source import spell

TEXT = """\
routes:
  - name: one
    filters: [{type: JWT}]
  - name: two
"""


def test_data_and_places() -> None:
    source = parse(TEXT, "x/shop.yaml", {})
    assert plain(source) == {"routes": ({"name": "one", "filters": ({"type": "JWT"},)}, {"name": "two"})}
    assert source.place(("routes", 1, "name")) == (4, 11)
    assert source.place(("routes", 1, "name"), key=True) == (4, 5)
    assert source.place(("routes", 0, "filters", 0, "type")) == (3, 22)
    assert source.place(("routes", 1, "filters", 3)) == (4, 5)  # absent: its nearest parent
    assert source.place(("nothing",)) == (1, 1)
    assert source.where(("routes", 1)) == "shop.yaml:4"
    assert spell(("routes", 1, "filters", 0)) == "routes[1].filters[0]"


def test_aliases_are_copies_of_the_data() -> None:
    assert plain(parse("a: &x [1, 2]\nb: *x\n", "f", {})) == {"a": (1, 2), "b": (1, 2)}


def test_variables_never_become_structure() -> None:
    source = parse("a: ${V}\nb: '${N}'\nc: ${N}\n${N}: d", "f", {"V": "x: [1]\ny: 2", "N": "12"})
    assert plain(source) == {"a": "x: [1]\ny: 2", "b": "12", "c": 12, "${N}": "d"}


def test_every_scalar_mistake_is_noted_and_reading_goes_on() -> None:
    source = parse("a: ${A}\na: 1\nb: ${B}\n", "f", {})
    assert [(error.line, error.column) for error in source.errors] == [(1, 4), (2, 1), (3, 4)]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded_before_it_costs(opening: str) -> None:
    with pytest.raises(SpecErrors):
        parse(opening * 100_000, "f", {})


def test_expansion_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &a [1, 2, 3]\nb: [*a, *a, *a]\n"
    monkeypatch.setattr(reading, "MAX_VALUES", 18)  # mapping, a and its 3, b and 3 times 4
    assert len(plain(parse(text, "f", {}))["b"]) == 3
    monkeypatch.setattr(reading, "MAX_VALUES", 17)
    with pytest.raises(SpecErrors, match="more than 17 values"):
        plain(parse(text, "f", {}))


def test_files(tmp_path: Path) -> None:
    good, large, latin = tmp_path / "good", tmp_path / "large", tmp_path / "latin"
    good.write_bytes(b"\xef\xbb\xbfa: 1\n")
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    latin.write_bytes(b"a: 1\nb: caf\xe9\n")
    assert read_file(good) == "a: 1\n"
    for path, message in ((large, "larger than 16 MiB"), (latin, ":2:1: is not UTF-8"), (tmp_path / "no", "No such")):
        with pytest.raises(SpecErrors, match=message):
            read_file(path)
    with pytest.raises(SpecErrors, match="larger"):
        parse("#" * (MAX_BYTES + 1), "f", {})


@given(st.text(alphabet=":-[]{}&*!|>'\"#%@,? \n\tab0${}\x00\x1b\udcff", max_size=60))
def test_any_text_gives_data_or_spec_errors(text: str) -> None:
    told = ""
    try:
        plain(parse(text, "f", {}))
    except SpecErrors as errors:
        told = str(errors)
    assert "\x1b" not in told  # nothing steers the terminal


def test_without_libyaml_the_events_are_the_same() -> None:
    text = "a: &x [1, 'two', \"three\"]\nb: *x\nc: |\n  text\n"
    assert events_of(CParser(text)) == events_of(Parser(text))


def events_of(parser: Any) -> list[tuple[str, str, int, int]]:
    events = iter(parser.get_event, None)
    return [
        (type(one).__name__, getattr(one, "value", ""), one.start_mark.line, one.start_mark.column) for one in events
    ]
