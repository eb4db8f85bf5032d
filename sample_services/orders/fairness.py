"""What is scarce is shared: a customer gets a few pieces of it in a day, not all of them (OWASP API6:2023).

The problem: every single request of a bot that buys up the stock is in order, so nothing that looks at requests alone
stops it. The rule: pieces are counted for each customer, over all orders, in the transaction that takes them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sample_services.orders.domain import FairShareError, Product, rfc3339

SCARCE: Final = 50
"""Pieces in stock, from which on a product is shared."""
SHARE: Final = 5
"""Pieces of it for one customer, in orders of one day that were not cancelled."""
DAY: Final = timedelta(hours=24)

_TAKEN = (
    "SELECT COALESCE(SUM(item.quantity), 0) FROM purchase_item AS item JOIN purchase ON purchase.id = item.purchase_id"
    " WHERE purchase.customer = ? AND item.product_id = ? AND purchase.status != 'cancelled' AND purchase.created > ?"
)


def check(connection: sqlite3.Connection, customer: str, wish: Mapping[Product, int], now: datetime) -> None:
    """Let the wish pass.

    Raises:
        FairShareError: it would be more than the customer's share of something scarce.
    """
    for product, quantity in wish.items():
        if product.stock > SCARCE:
            continue
        (taken,) = connection.execute(_TAKEN, (customer, product.id, rfc3339(now - DAY))).fetchone()
        if taken + quantity > SHARE:
            raise FairShareError(f"Of what is scarce each customer gets {SHARE} pieces a day.", product_id=product.id)
