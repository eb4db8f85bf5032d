"""The reports themselves: sums over what was sold, made when somebody asks.

What counts is a matter of one line of SQL, and that line is where the versions of this service differ:

    v1  orders that are not cancelled
    v2  every order: somebody had "simplified" the query, and its tests knew no cancelled order
    v3  v2, patched

v2 is wrong on purpose (`gatehouse up --set reports.version=v2`): nothing fails, every answer has status 200, and the
numbers are too high. `check` finds out.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

VERSIONS: Final = {"v1": "cancelled = 0", "v2": "TRUE", "v3": "cancelled = 0"}
"""Version → the condition for an order to count. Constants of ours: they are put into SQL as text."""
FAULTY: Final = frozenset({"v2"})

_KEYS: Final = {
    "day": ("day", "day"),
    "customer_group": (
        # How many orders somebody has ever placed: the reader learns about kinds of customers, never about one of them.
        "CASE WHEN placed >= 20 THEN 'regular' WHEN placed >= 2 THEN 'returning' ELSE 'new' END",
        "customer_group",
    ),
}
_SALES: Final = """
    SELECT sale.*, count(*) OVER (PARTITION BY customer) AS placed FROM sale WHERE {counts} AND currency = :currency
"""


@dataclass(frozen=True)
class Span:
    """Which orders a report is about: days `from_` to `to`, both included (`YYYY-MM-DD`, UTC), one currency."""

    from_: str = "0001-01-01"
    to: str = "9999-12-31"
    currency: str = "EUR"


class Reports:
    """All reports of one version of the service."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._sales = _SALES.format(counts=VERSIONS[version])

    def totals(self, connection: sqlite3.Connection, span: Span) -> dict[str, Any]:
        """Orders, revenue and average order, in minor units."""
        query = f"SELECT count(*) AS orders, coalesce(sum(total), 0) AS revenue FROM ({self._sales}) {_WITHIN}"  # noqa: S608
        row = connection.execute(query, vars(span)).fetchone()
        average = round(row["revenue"] / row["orders"]) if row["orders"] else 0
        return {"orders": row["orders"], "revenue": row["revenue"], "average_order": average}

    def sales(self, connection: sqlite3.Connection, span: Span, by: str) -> list[dict[str, Any]]:
        """Orders and revenue by day or by group of customers."""
        key, name = _KEYS[by]
        query = (
            f"SELECT {key} AS {name}, count(*) AS orders, sum(total) AS revenue "  # noqa: S608
            f"FROM ({self._sales}) {_WITHIN} GROUP BY 1 ORDER BY 1"
        )
        return [dict(row) for row in connection.execute(query, vars(span))]

    def products(self, connection: sqlite3.Connection, span: Span, limit: int) -> list[dict[str, Any]]:
        """Products by revenue, the best first."""
        query = (
            "SELECT product_id, max(name) AS name, sum(quantity) AS pieces, sum(quantity * unit_price) AS revenue "  # noqa: S608
            f"FROM ({self._sales}) JOIN sale_item USING (order_id) {_WITHIN} "
            "GROUP BY product_id ORDER BY revenue DESC, product_id LIMIT :limit"
        )
        return [dict(row) for row in connection.execute(query, {**vars(span), "limit": limit})]


_WITHIN: Final = "WHERE day BETWEEN :from_ AND :to"
