from __future__ import annotations

import pytest

from gateway.control.rates import RateBook, Tally, Totals, quantile

INF = float("inf")


def totals(count: float, refused: float = 0, failing: float = 0, fast: float | None = None) -> Totals:
    return Totals(count, refused, failing, ((0.1, count if fast is None else fast), (INF, count)))


def book_of(*counts: float, source: str = "gateway-1") -> RateBook:
    book = RateBook()
    for second, count in enumerate(counts):
        book.report(source, {"orders": totals(count)})
        book.tick(float(second))
    return book


def test_the_first_report_is_a_baseline() -> None:
    assert book_of(1_000_000, 1_000_000).view("orders")["rate"] == 0


def test_a_rate_counts_the_last_ten_seconds() -> None:
    view = book_of(*range(0, 300, 10)).view("orders")
    assert view["rate"] == 10
    assert view["series"][-3:] == [10, 10, 10]


def test_a_restarted_source_counts_from_zero() -> None:
    book = book_of(100, 110, 5, 10)
    assert book.view("orders")["series"] == [10, 5, 5]


def test_a_source_that_has_gone_and_come_back_starts_anew() -> None:
    book = book_of(0, 10)
    book.forget("gateway-1")
    book.report("gateway-1", {"orders": totals(500)})
    book.tick(2.0)
    assert book.view("orders")["series"] == [10, 0]


def test_sources_and_routes_are_added_up() -> None:
    book = RateBook()
    for second in range(2):
        for source in ("gateway-1", "gateway-2"):
            seen = totals(second * 10, refused=second * 2, failing=second)
            book.report(source, {"orders": seen, "products": seen})
        book.tick(float(second))
    assert (book.view("orders")["rate"], book.view("orders")["refused"], book.view("orders")["failing"]) == (20, 4, 2)
    assert book.total()["rate"] == 40


def test_history_is_a_minute_and_keys_are_bounded() -> None:
    book = book_of(*range(200))
    assert len(book.view("orders")["series"]) == 60
    many = RateBook()
    many.report("s", {})
    many.report("s", {f"route-{number}": totals(1) for number in range(5_000)})
    assert len(many.keys()) == 2_000


def test_nothing_seen_is_not_zero_milliseconds() -> None:
    assert book_of(0, 0).view("orders")["p95_ms"] is None
    assert RateBook().view("none")["series"] == []


@pytest.mark.parametrize(
    ("share", "buckets", "expected"),
    [
        (0.5, [(0.1, 10), (0.2, 20), (INF, 20)], 0.1),
        (0.75, [(0.1, 10), (0.2, 20), (INF, 20)], 0.15),
        (0.95, [(0.1, 0), (0.2, 0), (INF, 20)], 0.2),
        (0.5, [(0.1, 0), (INF, 0)], None),
        (0.5, [], None),
    ],
)
def test_quantiles_are_interpolated(share: float, buckets: list[tuple[float, float]], expected: float | None) -> None:
    assert quantile(share, buckets) == (None if expected is None else pytest.approx(expected))


def test_tally_reads_statuses() -> None:
    tally = Tally()
    for status, count in (("200", 5), ("403", 2), ("429", 1), ("503", 4)):
        tally.add("r", "x_count", {"http_response_status_code": status}, count)
    found = tally.totals()["r"]
    assert (found.count, found.refused, found.failing) == (12, 3, 4)
