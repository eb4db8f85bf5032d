"""A page of the catalogue in the shape of GraphQL's cursor connections.

A cursor says "behind this product", not "page 3": products that come and go meanwhile neither shift nor repeat
what the reader gets (https://relay.dev/graphql/connections.htm).
"""

from __future__ import annotations

from dataclasses import dataclass

from sample_services.storefront.upstream import Product


@dataclass(frozen=True)
class Edge:
    """A product with its cursor: the id, since the catalogue is sorted by it."""

    node: Product

    @property
    def cursor(self) -> str:
        """Pass it as `after` to read on behind this product."""
        return self.node.id


@dataclass(frozen=True)
class PageInfo:
    """Whether to read on, and from where."""

    has_next_page: bool
    end_cursor: str | None


@dataclass(frozen=True)
class ProductPage:
    """ProductConnection of the schema."""

    nodes: list[Product]
    has_next: bool

    @property
    def edges(self) -> list[Edge]:
        """The products with their cursors."""
        return [Edge(product) for product in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        """About the page itself."""
        return PageInfo(self.has_next, self.nodes[-1].id if self.nodes else None)
