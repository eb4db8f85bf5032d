"""Pages and the links between them."""

from __future__ import annotations

from dataclasses import dataclass

from sample_services.orders.paging import next_link, split_page


@dataclass(frozen=True)
class Row:
    id: int


def test_a_full_page_with_more_behind_it() -> None:
    rows = [Row(9), Row(7), Row(4)]
    assert split_page(rows, 2) == ([Row(9), Row(7)], 7)


def test_the_last_page_even_when_it_is_full() -> None:
    assert split_page([Row(9), Row(7)], 2) == ([Row(9), Row(7)], None)
    assert split_page([], 2) == ([], None)


def test_the_link_keeps_other_parameters_and_replaces_the_cursor() -> None:
    link = next_link("/orders", {"limit": "2", "cursor": "12", "customer": "*"}, 7)
    assert link == {"Link": '</orders?limit=2&cursor=7&customer=%2A>; rel="next"'}
    assert next_link("/orders", {}, None) == {}
