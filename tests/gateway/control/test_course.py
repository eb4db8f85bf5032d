from __future__ import annotations

from gateway.control.course import POINTS, Course
from gateway.control.rates import RateBook
from tests.gateway.control.test_rates import totals


def test_a_point_a_second_and_never_more_than_three_minutes() -> None:
    book, course = RateBook(), Course()
    assert course.view()["rate"] == []
    for second in range(POINTS + 40):
        book.report("gateway-1", {"orders": totals(second * 20, refused=second * 2, failing=second)})
        book.tick(float(second))
        course.tick(book)
    view = course.view()
    assert [len(view[name]) for name in ("rate", "refused", "failing", "p95_ms")] == [POINTS] * 4
    assert (view["rate"][-1], view["refused"][-1], view["failing"][-1]) == (20, 2, 1)
    assert 0 < view["p95_ms"][-1] <= 100


def test_what_a_minute_ago_was_slow_is_not_in_the_p95_of_now() -> None:
    book, course = RateBook(), Course()
    for second in range(40):
        slow = min(second, 5) * 10
        book.report("gateway-1", {"orders": totals(second * 10 + slow, fast=second * 10)})
        book.tick(float(second))
        course.tick(book)
    assert course.view()["p95_ms"][-1] <= 100
    assert book.view("orders")["p95_ms"] > 90
