from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.cli.trace import QUIET, complete_trace, has_holes, settled
from gateway.cli.waterfall import BAR, SHORT_BAR, bar, ordered, related, what

END = 1_735_689_600  # when the traces below ended, to a hundredth of a second
ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def a_span(span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    span: dict[str, Any] = {
        "span_id": span_id, "parent_id": parent, "service": "gateway", "name": f"span {span_id}", "start_ms": 0.0,
        "duration_ms": 10.0, "status": {"code": "unset", "message": ""}, "attributes": {}, "links": [],
    }  # fmt: skip
    return span | more


def a_trace(*spans: dict[str, Any]) -> dict[str, Any]:
    services = sorted({span["service"] for span in spans})
    return {
        "trace_id": ID, "name": "GET /orders", "start": "2025-01-01T00:00:00.000000Z",
        "duration_ms": 10.0, "span_count": len(spans), "services": services,
        "dropped_spans": 0, "linked_from": [], "spans": list(spans),
    }  # fmt: skip


SQL = a_span(
    "c", "b", service="orders", name="db.read", start_ms=5.0, duration_ms=2.5,
    attributes={"db.query.text": "SELECT *\n  FROM orders\x1b[2J"},
)  # fmt: skip
WHOLE = a_trace(
    a_span("a", attributes={"http.response.status_code": 200}),
    a_span("b", "a", service="orders", start_ms=2.0, duration_ms=6.0),
    SQL,
)


def test_a_trace_is_drawn_as_a_waterfall(installation: Any) -> None:
    installation.reply("GET", f"/traces/{ID}", WHOLE)
    result = installation.run("trace", ID)
    assert result.exit_code == 0
    title, _, first, second, third = result.output.splitlines()
    assert title == f"trace {ID} · GET /orders · 10.0 ms · 3 spans of gateway, orders"
    assert first.split()[-1] == "200"
    assert second.index("span b") > first.index("span a")
    assert third.index("━") - first.index("━") == BAR // 2
    assert r"2.5 ms  SELECT * FROM orders\x1b[2J" in third


def test_a_narrow_terminal_gets_short_and_whole_bars(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    installation.reply("GET", f"/traces/{ID}", WHOLE)
    lines = installation.run("trace", ID).output.splitlines()
    assert [line.count("━") for line in lines if line.startswith("gateway ")] == [SHORT_BAR]
    assert sum("━" in line for line in lines) == len(WHOLE["spans"])


def test_the_first_characters_of_an_id_are_enough(installation: Any) -> None:
    installation.reply("GET", "/traces", {"traces": [{"trace_id": ID}, {"trace_id": "f" * 32}]})
    installation.reply("GET", f"/traces/{ID}", WHOLE)
    assert json.loads(installation.run("trace", ID[:6].upper(), "--json").output) == WHOLE


def test_a_start_that_fits_several_is_refused(installation: Any) -> None:
    installation.reply(
        "GET", "/traces", {"traces": [{"trace_id": "aaaa1" + "0" * 27}, {"trace_id": "aaaa2" + "0" * 27}]}
    )
    result = installation.run("trace", "aaaa")
    assert (result.exit_code, "2 traces start with" in result.output) == (2, True)


@pytest.mark.parametrize("given", ["abc", "xyz1", "../config", "a" * 33])
def test_what_is_no_id_is_not_asked_for(installation: Any, given: str) -> None:
    assert installation.run("trace", given).exit_code == 2
    assert installation.received == []


def test_where_spans_go_elsewhere_the_command_says_where(installation: Any) -> None:
    facts = json.loads((installation.state_dir / "instance.json").read_text())
    installation.write(
        "instance.json", facts | {"collector_url": "http://127.0.0.1:1", "spans_to": "http://jaeger:4318"}
    )
    result = installation.run("trace", ID)
    assert result.exit_code == 1
    assert "sends its spans to http://jaeger:4318" in result.output
    assert installation.received == []


def test_spans_under_way_are_waited_for_and_not_for_ever() -> None:
    holes = a_trace(a_span("a"), a_span("c", "b"))
    clock = iter(range(END, END + 100))
    answers = iter([None, holes, WHOLE])
    assert complete_trace(lambda: next(answers), 50, lambda: next(clock), lambda _: None) is WHOLE
    assert complete_trace(lambda: holes, 3, lambda: next(clock), lambda _: None) is holes
    assert complete_trace(lambda: None, 3, lambda: next(clock), lambda _: None) is None


def test_a_trace_is_whole_when_it_has_been_quiet_for_a_while() -> None:
    assert not settled(WHOLE, END + QUIET - 0.1)
    assert settled(WHOLE, END + QUIET + 0.1)
    assert not settled(a_trace(a_span("a"), a_span("b", "under way")), END + 1_000)


def test_the_clients_own_span_is_no_hole() -> None:
    assert not has_holes(a_trace(a_span("a", "of the client"), a_span("b", "a")))
    assert has_holes(a_trace(a_span("a"), a_span("b", "under way")))


def test_children_follow_their_parent_and_a_circle_is_not_lost() -> None:
    spans = [a_span("a"), a_span("x", "y"), a_span("b", "a"), a_span("y", "x"), a_span("c", "b"), a_span("d", "a")]
    assert [(depth, span["span_id"]) for depth, span in ordered(spans)] == [
        (0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "x"), (0, "y"),
    ]  # fmt: skip


@pytest.mark.parametrize(("start", "length"), [(0, 10), (9.999, 0.001), (-1, 500), (12, 1)])
def test_a_bar_never_leaves_its_place(start: float, length: float) -> None:
    drawn = bar(start, length, 10)
    assert len(drawn) == BAR
    assert "━" in drawn


def test_what_happened_is_said_once() -> None:
    failed = {"code": "error", "message": "jwt_expired"}
    attributes = {"http.response.status_code": 401, "error.type": "jwt_expired"}
    assert what(a_span("a", status=failed, attributes=attributes)) == "401 · jwt_expired"


def test_linked_traces_are_named_once_and_never_itself() -> None:
    trace = a_trace(a_span("a", links=[{"trace_id": "other"}, {"trace_id": ID}]))
    assert related(trace | {"linked_from": ["other", "consumer"]}) == {"other", "consumer"}


def test_a_planted_fault_is_told_where_it_was_met() -> None:
    met = {"http.response.status_code": 503, "error.type": "503", "gateway.planted_fault": "abort 503"}
    assert what(a_span("a", attributes=met), 60) == "503 · PLANTED: abort 503"
