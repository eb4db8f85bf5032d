"""Keeping a copy of somebody's catalogue, within what one's plan allows.

The problem: an API that others pay for has a quota, and a program that ignores it spends a day's worth in a minute and
then stands still. The rule: a refusal says for how long (`Retry-After`); the program asks as seldom as it can, never
while it was told to wait, and keeps what it has meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

PAGE: Final = 10
EVERY_S: Final = 30.0
LONGEST_WAIT_S: Final = 3_600.0
AFTER_FAILURE_S: Final = 5.0
MAX_PAGES: Final = 100


class Product(BaseModel):
    """What the partner needs of a product; `price` in minor units."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: int
    name: str
    price: int
    currency: str
    stock: int


class _Page(BaseModel):
    products: list[Product]
    next_cursor: int | None


@dataclass(frozen=True)
class Reply:
    """What came back; status 0: nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Get = Callable[[str], Awaitable[Reply]]


@dataclass
class Catalogue:
    """The copy. `get` asks for a path; `ask` gives how many seconds to wait before the next time."""

    get: Get
    log: logging.Logger
    products: dict[int, Product] = field(default_factory=dict)

    async def ask(self) -> float:
        """Read the whole catalogue anew; what cannot be read changes nothing."""
        found: dict[int, Product] = {}
        path = f"/partner/products?limit={PAGE}"
        for _ in range(MAX_PAGES):
            reply = await self.get(path)
            if reply.status != 200:
                return self._refused(reply)
            try:
                page = _Page.model_validate_json(reply.body)
            except ValidationError:
                self.log.warning("the catalogue is not of the form that was agreed")
                return AFTER_FAILURE_S
            found |= {product.id: product for product in page.products}
            if page.next_cursor is None:
                break
            path = f"/partner/products?limit={PAGE}&cursor={page.next_cursor}"
        self.products = found
        facts: dict[str, Any] = {"products": len(found), "in_stock": sum(one.stock > 0 for one in found.values())}
        self.log.info("catalogue read", extra=facts)
        return EVERY_S

    def _refused(self, reply: Reply) -> float:
        """How long to stay away."""
        told = reply.headers.get("Retry-After", "")
        wait = min(float(told), LONGEST_WAIT_S) if told.isdecimal() else AFTER_FAILURE_S
        self.log.warning("not now", extra={"status": reply.status, "wait_s": wait})
        return max(wait, 1.0)
