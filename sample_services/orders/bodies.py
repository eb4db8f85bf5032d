"""What clients may send: bodies and query parameters, each with its bounds. Nothing else is accepted.

Unknown fields are refused, not ignored: a client that sends `"price": 1` should hear that it has no say in
that (OWASP API3:2023, mass assignment).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from sample_services.orders.domain import MAX_ID

MAX_LINES: Final = 50
MAX_QUANTITY: Final = 1000
MAX_LIMIT: Final = 100

Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemBody(_Strict):
    """One line of a wish. Strict: `"2"` and `true` are no numbers of pieces."""

    product_id: Id = Field(strict=True)
    quantity: int = Field(strict=True, ge=1, le=MAX_QUANTITY)


class OrderBody(_Strict):
    """POST /orders."""

    items: list[ItemBody] = Field(min_length=1, max_length=MAX_LINES)

    @field_validator("items")
    @classmethod
    def _each_product_once(cls, items: list[ItemBody]) -> list[ItemBody]:
        if len({item.product_id for item in items}) < len(items):
            raise ValueError("each product may stand in one line only")
        return items


def _numbers(text: object) -> object:
    return text.split(",") if isinstance(text, str) else text


Ids = Annotated[list[Id], BeforeValidator(_numbers), Field(min_length=1, max_length=MAX_LIMIT)]


class ListQuery(_Strict):
    """GET /products: a page, or the products named."""

    limit: int = Field(20, ge=1, le=MAX_LIMIT)
    cursor: Id | None = None
    ids: Ids | None = None


class OrdersQuery(ListQuery):
    """GET /orders: a page, or the orders named. `customer=*` stands for everybody."""

    customer: str | None = Field(None, pattern=r"^(\*|[A-Za-z0-9._@-]{1,64})$")


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]


class TotalsQuery(_Strict):
    """GET /totals: days in UTC, both included."""

    from_: Day = Field("0001-01-01", alias="from")
    to: Day = "9999-12-31"
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
