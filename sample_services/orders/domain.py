"""What an order is, what it may become, and who may see it: the rules, without HTTP and without SQL.

An order moves along these arrows and no others:

    placed ──→ shipped ──→ delivered
       └─────→ cancelled

So "cancel" cannot be an assignment to `status`: it is a question to the state machine, and it may say no.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

MAX_ID: Final = 2**53 - 1
"""The largest id: every JSON reader, JavaScript's too, holds it exactly (RFC 8259, section 6)."""
READ_ALL_ROLES: Final = frozenset({"support", "admin"})
READ_ALL_SCOPE: Final = "orders:read-all"
"""For a service that reads all orders for itself, in nobody's name: reports."""
CHANGE_ALL_ROLES: Final = frozenset({"admin"})


class Status(StrEnum):
    """Where an order stands."""

    PLACED = "placed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


ARROWS: Final[dict[Status, frozenset[Status]]] = {
    Status.PLACED: frozenset({Status.SHIPPED, Status.CANCELLED}),
    Status.SHIPPED: frozenset({Status.DELIVERED}),
    Status.DELIVERED: frozenset(),
    Status.CANCELLED: frozenset(),
}


class Paid(StrEnum):
    """Whether an order is paid, which is apart from where its goods are."""

    UNPAID = "unpaid"
    PAID = "paid"
    FAILED = "failed"


class OrderError(Exception):
    """A rule says no. `reason` is a stable code for programs; `facts` are safe to show to the caller."""

    reason = "refused"

    def __init__(self, message: str, **facts: int | str) -> None:
        super().__init__(message)
        self.facts: dict[str, Any] = dict(facts)


class NotFoundError(OrderError):
    """There is no such order or product."""

    reason = "not_found"


class NotOwnerError(OrderError):
    """The order belongs to somebody else."""

    reason = "not_owner"


class WrongStateError(OrderError):
    """The state machine has no such arrow."""

    reason = "wrong_state"


class AlreadyPaidError(OrderError):
    """Nobody pays twice."""

    reason = "already_paid"


class UnknownPaymentError(OrderError):
    """A webhook tells of a payment that nobody here has asked for, or not yet."""

    reason = "unknown_payment"


class PaymentMismatchError(OrderError):
    """A webhook tells of another amount, currency or order than was asked for."""

    reason = "payment_mismatch"


class UnknownProductError(OrderError):
    """An order names a product that is not in the catalogue."""

    reason = "unknown_product"


class OutOfStockError(OrderError):
    """There are not enough pieces left."""

    reason = "out_of_stock"


class FairShareError(OrderError):
    """Of what is scarce one customer wants more than the others would like."""

    reason = "fair_share"


class MixedCurrenciesError(OrderError):
    """One order is paid in one currency."""

    reason = "mixed_currencies"


class KeyReusedError(OrderError):
    """An Idempotency-Key came again with another order in the body."""

    reason = "idempotency_key_reused"


@dataclass(frozen=True)
class Caller:
    """Who asks: the verified subject of the token, its roles and its scopes."""

    subject: str
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Product:
    """What can be ordered. `price` is in minor units of `currency` (ISO 4217)."""

    id: int
    name: str
    description: str
    price: int
    currency: str
    stock: int


@dataclass(frozen=True)
class Item:
    """One line of an order; name and price stay as they were when it was placed."""

    product_id: int
    name: str
    quantity: int
    unit_price: int


@dataclass(frozen=True)
class Order:
    """What somebody ordered. `total` is in minor units of `currency`; times are RFC 3339 in UTC."""

    id: int
    customer: str
    status: Status
    total: int
    currency: str
    created: str
    updated: str
    items: tuple[Item, ...]
    payment: Paid = Paid.UNPAID

    def become(self, status: Status, now: datetime) -> Order:
        """The order in its next state.

        Raises:
            WrongStateError: no arrow leads there.
        """
        if status not in ARROWS[self.status]:
            raise WrongStateError(
                f"A {self.status} order cannot become {status}.", order_id=self.id, order_status=self.status
            )
        return replace(self, status=status, updated=rfc3339(now))


def may_read(customer: str, caller: Caller) -> bool:
    """Whether the caller may see orders of this customer."""
    return caller.subject == customer or bool(caller.roles & READ_ALL_ROLES) or READ_ALL_SCOPE in caller.scopes


def check_reader(customer: str, caller: Caller) -> None:
    """The owner check for reading: a token says who asks and what for, not whose order it is.

    Its absence is the first item of the OWASP API Security Top 10 (API1:2023, broken object level
    authorization).

    Raises:
        NotOwnerError: neither the customer nor somebody who reads all.
    """
    if not may_read(customer, caller):
        raise NotOwnerError("This belongs to another customer.")


def check_changer(customer: str, caller: Caller) -> None:
    """The owner check for changing: support reads all orders but changes none.

    Raises:
        NotOwnerError: neither the customer nor an administrator.
    """
    if caller.subject != customer and not caller.roles & CHANGE_ALL_ROLES:
        raise NotOwnerError("Only the customer who placed this order may change it.")


def price_up(lines: Iterable[tuple[Product, int]]) -> tuple[tuple[Item, ...], int, str]:
    """Items with today's prices, their total in minor units, and the currency of all.

    Raises:
        MixedCurrenciesError: the products are priced in more than one currency.
    """
    items, currencies = [], set()
    for product, quantity in lines:
        items.append(Item(product.id, product.name, quantity, product.price))
        currencies.add(product.currency)
    if len(currencies) != 1:
        raise MixedCurrenciesError("All products of one order must have the same currency.")
    return tuple(items), sum(item.quantity * item.unit_price for item in items), currencies.pop()


def rfc3339(time: datetime) -> str:
    """`2026-01-05T09:30:00.000Z`: always UTC and of the same length, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
