"""Which services are modules of the monolith. A further one is one line at the end of `MODULES`.

What of a module strangers may call stands here, too: no gateway is in front that would say so. A module without public
paths is reached by the others only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sample_services.kit.component import Component
from sample_services.orders.application import COMPONENT as ORDERS
from sample_services.profiles.application import COMPONENT as PROFILES
from sample_services.recommendations.application import COMPONENT as RECOMMENDATIONS
from sample_services.reports.application import COMPONENT as REPORTS
from sample_services.storefront.application import COMPONENT as STOREFRONT


@dataclass(frozen=True)
class Module:
    """A service within the monolith; `public` are paths, each with all below it."""

    component: Component
    public: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """By which others call it."""
        return self.component.name

    def publishes(self, path: str) -> bool:
        """Whether strangers may call what is at this path."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.public)


MODULES: Final = (
    Module(ORDERS, public=("/products", "/orders", "/hooks/payments")),
    Module(PROFILES, public=("/profiles",)),
    Module(STOREFRONT, public=("/graphql", "/static", "/")),
    Module(REPORTS),
    Module(RECOMMENDATIONS, public=("/recommendations",)),
)
"""The order counts where two are public at one path: the first has it."""
