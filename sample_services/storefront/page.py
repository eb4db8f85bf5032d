"""GET / : the shop for people, rendered on the server and complete without JavaScript.

It shows which service answered what, and what a missing one means. When orders is away, the page still comes with
status 200: the storefront itself works, shows what it owns, and says what is missing. A 503 would tell a load
balancer to take this healthy process out, and so spread the failure of one service to the next.

Whatever users wrote reaches the page only through Jinja's autoescape; should that ever fail, the Content Security
Policy lets no script run (https://cheatsheetseries.owasp.org/cheatsheets/Content_Security_Policy_Cheat_Sheet.html).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from sample_services.kit.problems import Problem
from sample_services.kit.propagation import current_trace_id
from sample_services.kit.service import Service
from sample_services.storefront import reviews
from sample_services.storefront.art import tiles
from sample_services.storefront.reviews import Rating, Review
from sample_services.storefront.static_files import StaticFiles
from sample_services.storefront.upstream import OrdersApi, Product

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PRODUCTS: Final = 24
REVIEWS: Final = 2


@dataclass
class View:
    """Everything that the template shows. Durations are in milliseconds."""

    products: list[Product] = field(default_factory=list)
    reviews: dict[str, list[Review]] = field(default_factory=dict)
    ratings: dict[str, Rating] = field(default_factory=dict)
    latest: list[Review] = field(default_factory=list)
    orders_ms: float = 0.0
    reviews_ms: float = 0.0
    missing: Problem | None = None
    """Why there are no products: orders is away or gave a broken answer."""


class ShopPage:
    """The handler of GET /."""

    def __init__(self, service: Service, static: StaticFiles) -> None:
        self.service = service
        self.environment = Environment(
            loader=PackageLoader("sample_services.storefront"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters.update(money=money, stars=stars, day=lambda moment: moment[:10])
        self.environment.globals.update(static=static.url, tiles=tiles, public_url=service.settings.public_url)

    async def get(self, _request: web.Request) -> web.Response:
        """The page, as of now."""
        view = await self._view()
        template = self.environment.get_template("shop.html")
        text = template.render(view=view, trace_id=current_trace_id())
        return web.Response(text=text, content_type="text/html", headers=SECURITY_HEADERS)

    async def _view(self) -> View:
        """Products from orders, then the reviews of exactly those products from this service's database."""
        view, started = View(), perf_counter()
        try:
            view.products, _ = await OrdersApi(self.service.http, token=None).product_page(PRODUCTS, None)
        except Problem as problem:
            view.missing = problem
        view.orders_ms, started = _milliseconds(started), perf_counter()
        await self._add_reviews(view)
        view.reviews_ms = _milliseconds(started)
        return view

    async def _add_reviews(self, view: View) -> None:
        ids = [product.id for product in view.products]
        view.reviews = await self.service.db.read(reviews.latest_by_product, ids, REVIEWS)
        view.ratings = await self.service.db.read(reviews.ratings, ids)
        if view.missing:
            view.latest = await self.service.db.read(reviews.latest, 6)


def _milliseconds(started: float) -> float:
    return (perf_counter() - started) * 1000


def money(minor: int, currency: str) -> str:
    """`1250, "EUR"` → `€12.50`; a currency without a sign here stands behind the number."""
    sign = {"EUR": "€", "USD": "$", "GBP": "£"}.get(currency)
    amount = f"{minor // 100:,}.{minor % 100:02d}"
    return f"{sign}{amount}" if sign else f"{amount} {currency}"


def stars(count: float | None) -> str:
    """`3.6` → `★★★★☆`."""
    full = round(count or 0)
    return "★" * full + "☆" * (5 - full)
