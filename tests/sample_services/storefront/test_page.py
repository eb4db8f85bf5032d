"""The shop's page: complete, safe, and still there when the orders service is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from sample_services.storefront import reviews
from sample_services.storefront.art import tiles
from sample_services.storefront.page import money, stars
from sample_services.storefront.reviews import Review


async def get(shop: Any, path: str = "/", **headers: str) -> tuple[int, Mapping[str, str], str]:
    async with shop.http.get(shop.url + path, headers=headers) as response:
        return response.status, response.headers, await response.text()


class Outline(HTMLParser):
    """Tags, ids and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.links.append(value or "")


async def test_products_come_from_orders_and_reviews_from_here(shop: Any, neighbours: Any) -> None:
    status, _, text = await get(shop)
    assert status == 200
    assert neighbours.calls == ["GET /products?limit=24"]
    for expected in ("Product 24", "€24.00", "Sold out", "Only 3 left", "23 in stock", "Beautiful gate", "4.7"):
        assert expected in text, expected
    assert re.search(r"gatehouse trace [0-9a-f]{32}", text)


async def test_the_page_needs_nothing_that_its_policy_forbids(shop: Any) -> None:
    _, headers, text = await get(shop)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    outline = Outline(text)
    assert not {"script", "style", "form", "iframe"} & set(outline.tags)
    assert not [name for name in outline.attributes if name == "style" or name.startswith("on")]
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_every_link_leads_somewhere(shop: Any) -> None:
    outline = Outline((await get(shop))[2])
    assert len(outline.ids) == len(set(outline.ids))
    for link in outline.links:
        if link.startswith("#"):
            assert link[1:] in outline.ids
        else:
            assert (await get(shop, link))[0] == 200, link


async def test_what_users_write_stays_text(shop: Any) -> None:
    hostile = Review("1", "<i>eve</i>", 1, "<script>alert(1)</script> {{ 7*7 }} \"'&", "2027-01-01T00:00:00+00:00")
    await shop.service.db.write(reviews.save, hostile)
    text = (await get(shop))[2]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} &#34;&#39;&amp;" in text
    assert "&lt;i&gt;eve" in text
    assert "<script" not in text


@pytest.mark.parametrize("broken", [(503, b""), (200, b"<html>"), (500, b"Traceback")])
async def test_without_orders_the_page_says_so_and_shows_the_rest(
    shop: Any, neighbours: Any, broken: tuple[int, bytes]
) -> None:
    neighbours.answers["/products"] = broken
    status, _, text = await get(shop)
    assert status == 200
    assert "The products are not available right now" in text
    assert "no answer" in text
    assert "Does not work in the cellar." in text
    assert "Traceback" not in text


async def test_static_files_are_cached_by_their_digest(shop: Any) -> None:
    (address,) = [link for link in Outline((await get(shop))[2]).links if "shop.css" in link]
    status, headers, text = await get(shop, address)
    assert (status, headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "prefers-color-scheme" in text
    status, headers, text = await get(shop, address, **{"If-None-Match": headers["ETag"]})
    assert (status, text) == (304, "")
    _, headers, _ = await get(shop, "/static/shop.css?v=old")
    assert headers["Cache-Control"] == "public, max-age=300"
    assert (await get(shop, "/static/icon.svg"))[1]["Content-Type"].startswith("image/svg+xml")


@pytest.mark.parametrize("name", ["nope.css", "..%2fpage.py", "%2e%2e/page.py", "shop.css/", ".", ""])
async def test_other_files_do_not_exist(shop: Any, name: str) -> None:
    status, _, text = await get(shop, f"/static/{name}")
    assert status == 404 or "<h1>" in text  # clients resolve `/static/..` to the page before they send it
    assert "import" not in text


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1250, "EUR", "€12.50"), (5, "USD", "$0.05"), (123456789, "CHF", "1,234,567.89 CHF")],
)
def test_money(minor: int, currency: str, text: str) -> None:
    assert money(minor, currency) == text


@pytest.mark.parametrize(("count", "text"), [(5, "★★★★★"), (3.6, "★★★★☆"), (1, "★☆☆☆☆"), (None, "☆☆☆☆☆")])
def test_stars(count: float | None, text: str) -> None:
    assert stars(count) == text


def test_every_product_has_its_own_picture_that_stays() -> None:
    assert tiles("1") == tiles("1")
    assert tiles("1") != tiles("2")
    assert len(tiles("1")) == 18
