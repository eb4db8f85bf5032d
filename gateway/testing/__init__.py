"""What tests of configurations and of filters need: a gateway, services behind it, an issuer, and a clock.

With pytest the fixtures of `gateway.pytest_plugin` hand these out; without it `Gatehouse` is a context manager.
docs/testing.md shows all of it.
"""

from __future__ import annotations

from gateway.testing.answer import Answer
from gateway.testing.clock import Clock
from gateway.testing.gateway import Gateway
from gateway.testing.harness import Gatehouse
from gateway.testing.issuer import Issuer
from gateway.testing.units import make_filter, make_request
from gateway.testing.upstream import Received, Upstream

__all__ = [
    "Answer",
    "Clock",
    "Gatehouse",
    "Gateway",
    "Issuer",
    "Received",
    "Upstream",
    "make_filter",
    "make_request",
]
