"""Orders' own API, read strictly: what the reports are checked against, and rebuilt from.

In the name of this service itself: it asks identity for a token with the scope `orders:read-all`, which no person and
no other client has. Nobody's token is passed on, since a rebuild is nobody's request.
"""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sample_services.kit.client import HttpClient, PeerError
from sample_services.kit.events import Count, Text
from sample_services.reports.sales import Line, Sale

SCOPE: Final = "orders:read orders:read-all"
PAGE: Final = 100
MAX_PAGES: Final = 1_000
"""Where a rebuild ends at the latest: 100 000 orders."""


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Item(_Read):
    product_id: Count
    name: Text
    quantity: Count
    unit_price: Count


class _Order(_Read):
    id: Count
    customer: Text
    status: Text
    total: Count
    currency: Text
    created: Text
    items: list[_Item]

    def sale(self) -> Sale:
        lines = tuple(Line(one.product_id, one.name, one.quantity, one.unit_price) for one in self.items)
        cancelled = self.status == "cancelled"
        return Sale(self.id, self.customer, self.created[:10], self.total, self.currency, cancelled, lines)


class _Page(_Read):
    orders: list[_Order]
    next_cursor: int | None


class Totals(_Read):
    """What orders itself says about its orders that are not cancelled; `revenue` in minor units."""

    orders: int = Field(ge=0)
    revenue: int = Field(ge=0)


PartT = TypeVar("PartT", bound=_Read)


class Source:
    """Asks orders."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    async def totals(self, from_: str, to: str, currency: str) -> Totals:
        """Orders' own sum over these days.

        Raises:
            Problem: orders or identity is away, or answers against the contract.
        """
        return await self._get(Totals, f"/totals?from={from_}&to={to}&currency={currency}")

    async def all(self) -> list[Sale]:
        """Every order, page by page, the latest first.

        Raises:
            Problem: as `totals`.
        """
        found: list[Sale] = []
        path = f"/orders?customer=*&limit={PAGE}"
        for _ in range(MAX_PAGES):
            page = await self._get(_Page, path)
            found += [order.sale() for order in page.orders]
            if page.next_cursor is None:
                return found
            path = f"/orders?customer=*&limit={PAGE}&cursor={page.next_cursor}"
        raise PeerError("orders", "has more orders than a rebuild reads")

    async def _get(self, model: type[PartT], path: str) -> PartT:
        answer = await self._http.request("orders", "GET", path, token=await self._http.token(SCOPE))
        try:
            return model.model_validate_json(answer.expect(200).body)
        except ValidationError:
            raise PeerError("orders", "answered against its contract") from None
