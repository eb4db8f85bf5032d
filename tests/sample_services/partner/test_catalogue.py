"""A partner's program keeps what it has, and waits as long as it is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

from sample_services.partner.catalogue import AFTER_FAILURE_S, EVERY_S, LONGEST_WAIT_S, Catalogue, Reply


def page(ids: list[int], cursor: int | None = None) -> Reply:
    products = [{"id": one, "name": "Gate", "price": 100, "currency": "EUR", "stock": 1, "new": 1} for one in ids]
    return Reply(200, {}, json.dumps({"products": products, "next_cursor": cursor}).encode())


class Shop:
    def __init__(self, *replies: Reply) -> None:
        self.paths: list[str] = []
        self._replies: Iterator[Reply] = iter(replies)

    async def get(self, path: str) -> Reply:
        self.paths.append(path)
        return next(self._replies)


async def test_all_pages_are_read_and_what_is_gone_goes() -> None:
    shop = Shop(page([1, 2], 2), page([3]), page([3]))
    catalogue = Catalogue(shop.get, logging.getLogger("partner"))
    assert await catalogue.ask() == EVERY_S
    assert sorted(catalogue.products) == [1, 2, 3]
    assert shop.paths == ["/partner/products?limit=10", "/partner/products?limit=10&cursor=2"]
    await catalogue.ask()
    assert sorted(catalogue.products) == [3]


async def test_a_refusal_in_the_middle_changes_nothing_and_is_obeyed() -> None:
    for refusal, wait in (
        (Reply(429, {"Retry-After": "17"}), 17.0),
        (Reply(429, {"Retry-After": "999999"}), LONGEST_WAIT_S),
        (Reply(429, {"Retry-After": "0"}), 1.0),
        (Reply(503, {"Retry-After": "soon"}), AFTER_FAILURE_S),
        (Reply(0), AFTER_FAILURE_S),
        (Reply(200, {}, b"{"), AFTER_FAILURE_S),
    ):
        shop = Shop(page([1]), page([1, 2], 2), refusal)
        catalogue = Catalogue(shop.get, logging.getLogger("partner"))
        await catalogue.ask()
        assert await catalogue.ask() == wait
        assert sorted(catalogue.products) == [1]


async def test_a_shop_that_always_has_one_more_page_ends() -> None:
    shop = Shop(*[page([1], 1)] * 200)
    await Catalogue(shop.get, logging.getLogger("partner")).ask()
    assert len(shop.paths) == 100
