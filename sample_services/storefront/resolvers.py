"""What each field of the schema means. A resolver says what it needs; fetching is the loaders' business."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sample_services.kit.problems import Problem
from sample_services.storefront import reviews
from sample_services.storefront.catalogue import ProductPage
from sample_services.storefront.context import Info
from sample_services.storefront.reviews import Rating, Review
from sample_services.storefront.schema import Resolver
from sample_services.storefront.upstream import Line, Order, Product, Profile

MAX_FIRST: Final = 50
MAX_RECOMMENDATIONS: Final = 10
"""What the service gives at most for one product."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
"""What may travel as the value of a header."""


async def products(_root: Any, info: Info, first: int, after: str | None = None) -> ProductPage:
    """A page of the catalogue, whose products count as loaded."""
    found, has_next = await info.context.orders.product_page(_bounded(first), after)
    info.context.loaders.remember(found)
    return ProductPage(found, has_next)


async def product(_root: Any, info: Info, id: str) -> Product | None:  # noqa: A002
    """One product by its id."""
    return await info.context.loaders.products.load(id)


async def latest_reviews(_root: Any, info: Info, first: int, product_id: str | None = None) -> list[Review]:
    """The latest reviews, of one product or all."""
    if product_id is not None:
        return await info.context.loaders.reviews.load((product_id, _bounded(first)))
    return await info.context.db.read(reviews.latest, _bounded(first))


async def order(_root: Any, info: Info, id: str) -> Order | None:  # noqa: A002
    """One order, if the orders service shows it to the caller."""
    info.context.caller("orders:read")
    return await info.context.loaders.orders.load(id)


def me(_root: Any, info: Info) -> str:
    """The caller: their username is all that the fields below need."""
    return info.context.caller().subject


async def profile_of_caller(username: str, info: Info) -> Profile | None:
    """The caller's profile."""
    info.context.caller("profiles:read")
    return await info.context.loaders.profiles.load(username)


async def orders_of_caller(_username: str, info: Info, first: int) -> list[Order]:
    """The caller's latest orders."""
    info.context.caller("orders:read")
    return await info.context.loaders.latest_orders.load(_bounded(first))


async def product_of(source: Line | Review, info: Info) -> Product | None:
    """The product of an order's item, or of a review."""
    return await info.context.loaders.products.load(source.product_id)


async def reviews_of_product(source: Product, info: Info, first: int) -> list[Review]:
    """A product's latest reviews."""
    return await info.context.loaders.reviews.load((source.id, _bounded(first)))


async def rating_of_product(source: Product, info: Info) -> Rating:
    """A product's stars."""
    return await info.context.loaders.ratings.load(source.id)


async def recommendations_of_product(source: Product, info: Info, first: int) -> list[Product]:
    """What others bought with it; a product that left the catalogue is left out."""
    loaders = info.context.loaders
    ids = await loaders.also.load((source.id, min(_bounded(first), MAX_RECOMMENDATIONS)))
    found = await loaders.products.load_many(ids)
    return [product for product in found if product is not None]


async def add_review(_root: Any, info: Info, product_id: str, stars: int, text: str) -> Review:
    """Writes the caller's review of a product that exists."""
    author = info.context.caller("orders:write").subject
    text = text.strip()
    if stars not in reviews.STARS:
        raise Problem(422, "invalid_argument", "stars is a whole number from 1 to 5.")
    if not 1 <= len(text) <= reviews.MAX_TEXT:
        raise Problem(422, "invalid_argument", f"text has 1 to {reviews.MAX_TEXT} characters.")
    if await info.context.loaders.products.load(product_id) is None:
        raise Problem(404, "product_not_found", "There is no product with this id.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    saved = await info.context.db.write(reviews.save, Review(product_id, author, stars, text, now))
    info.context.loaders.forget_reviews()
    return saved


async def place_order(
    _root: Any, info: Info, items: list[Mapping[str, Any]], idempotency_key: str | None = None
) -> Order:
    """Orders through the orders service, in the caller's name."""
    info.context.caller("orders:write")
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Problem(422, "invalid_argument", "idempotencyKey has 1 to 255 visible ASCII characters.")
    lines = [(item["product_id"], item["quantity"]) for item in items]
    return await info.context.orders.place(lines, idempotency_key)


async def cancel_order(_root: Any, info: Info, id: str) -> Order:  # noqa: A002
    """Cancels through the orders service, in the caller's name."""
    info.context.caller("orders:write")
    return await info.context.orders.cancel(id)


def _bounded(first: int) -> int:
    """`first` as it may be.

    Raises:
        Problem: it is not between 1 and MAX_FIRST.
    """
    if not 1 <= first <= MAX_FIRST:
        raise Problem(422, "invalid_argument", f"first is a whole number from 1 to {MAX_FIRST}.")
    return first


RESOLVERS: Mapping[str, Mapping[str, Resolver]] = {
    "Query": {
        "products": products,
        "product": product,
        "reviews": latest_reviews,
        "me": me,
        "order": order,
    },
    "Mutation": {"addReview": add_review, "placeOrder": place_order, "cancelOrder": cancel_order},
    "Me": {
        "username": lambda username, _info: username,
        "profile": profile_of_caller,
        "orders": orders_of_caller,
    },
    "OrderItem": {"product": product_of},
    "Product": {
        "reviews": reviews_of_product,
        "rating": rating_of_product,
        "recommendations": recommendations_of_product,
    },
    "Review": {"product": product_of},
}
