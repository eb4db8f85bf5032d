"""The N+1 problem: ten orders with three items each would ask for thirty products, one call at a time.

Resolvers therefore only say which key they want. A DataLoader collects the keys that are wanted in the same turn
of the event loop, fetches them all with one call, and hands each resolver its own. It also remembers: the same
key is fetched once per operation. Since what one caller may see is not for the next, loaders live and die with
one operation.

Where a list's length is part of the key (`reviews(first: 3)`), the batch fetches the greatest length asked for
and every resolver gets its first few: aliases with many different lengths still make one call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiodataloader import DataLoader

from sample_services.kit.database import Database
from sample_services.kit.telemetry import Telemetry
from sample_services.storefront import reviews
from sample_services.storefront.reviews import Rating, Review
from sample_services.storefront.upstream import Order, OrdersApi, Product, Profile, ProfilesApi, RecommendationsApi

Key = TypeVar("Key")
Value = TypeVar("Value")

_NO_REVIEWS = Rating(None, 0)


class Loaders:
    """One operation's loaders; see the module's docstring."""

    def __init__(
        self,
        db: Database,
        orders: OrdersApi,
        profiles: ProfilesApi,
        recommendations: RecommendationsApi,
        telemetry: Telemetry,
    ) -> None:
        self._db = db
        self._telemetry = telemetry
        self._orders = orders
        self._profiles = profiles
        self._recommendations = recommendations
        self.products = self._loader("products", self._load_products, OrdersApi.MAX_IDS)
        self.latest_orders = self._loader("latest orders", self._load_latest_orders)
        self.orders = self._loader("orders", self._load_orders, OrdersApi.MAX_IDS)
        self.profiles = self._loader("profiles", self._load_profiles)
        self.reviews = self._loader("reviews", self._load_reviews)
        self.ratings = self._loader("ratings", self._load_ratings)
        self.also = self._loader("recommendations", self._load_also, RecommendationsApi.MAX_IDS)

    def remember(self, products: list[Product]) -> None:
        """Products that came with a list need not be fetched again."""
        for product in products:
            self.products.prime(product.id, product)

    def forget_reviews(self) -> None:
        """After writing: the same operation may read what it has just written."""
        self.reviews.clear_all()
        self.ratings.clear_all()

    async def _load_products(self, ids: list[str]) -> list[Product | None]:
        found = await self._orders.products(ids)
        return [found.get(wanted) for wanted in ids]

    async def _load_latest_orders(self, lengths: list[int]) -> list[list[Order]]:
        found = await self._orders.latest(max(lengths))
        return [found[:length] for length in lengths]

    async def _load_orders(self, ids: list[str]) -> list[Order | None]:
        found = await self._orders.orders(ids)
        return [found.get(wanted) for wanted in ids]

    async def _load_profiles(self, usernames: list[str]) -> list[Profile | None]:
        found = await self._profiles.profiles(usernames)
        return [found.get(wanted) for wanted in usernames]

    async def _load_reviews(self, keys: list[tuple[str, int]]) -> list[list[Review]]:
        products = {product for product, _ in keys}
        longest = max(length for _, length in keys)
        found = await self._db.read(reviews.latest_by_product, products, longest)
        return [found.get(product, [])[:length] for product, length in keys]

    async def _load_ratings(self, products: list[str]) -> list[Rating]:
        found = await self._db.read(reviews.ratings, products)
        return [found.get(product, _NO_REVIEWS) for product in products]

    async def _load_also(self, keys: list[tuple[str, int]]) -> list[list[str]]:
        found = await self._recommendations.also(
            sorted({product for product, _ in keys}), max(length for _, length in keys)
        )
        return [found.get(product, [])[:length] for product, length in keys]

    def _loader(
        self, name: str, fetch: Callable[[list[Key]], Awaitable[list[Value]]], batch: int | None = None
    ) -> DataLoader[Key, Value]:
        """A DataLoader whose batches, at most `batch` keys each, show up as one span with their size."""

        async def traced(keys: list[Key]) -> list[Value]:
            with self._telemetry.span(f"load {name}", attributes={"batch.size": len(keys)}):
                return await fetch(keys)

        return DataLoader(traced, max_batch_size=batch)
