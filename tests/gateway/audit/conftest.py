"""Systems to audit, from a few lines of configuration."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from gateway.audit.checks import CHECKS
from gateway.audit.model import Found, Running, System
from gateway.compile.load import load_text
from gateway.compile.table import answering_types, authenticating_types

HEAD = """\
listeners: [{name: public, port: 8088}]
providers:
  - {name: id, issuer: "https://id.test", audiences: [shop], jwks: {cluster: shop, path: /jwks}}
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
"""

SystemOf = Callable[..., System]
Look = Callable[..., list[Found]]


@pytest.fixture(scope="session")
def system() -> SystemOf:
    """system(routes, head=…, running=…): a configuration with these routes."""

    def make(routes: str = "", head: str = HEAD, running: Running | None = None) -> System:
        text = head + (f"routes:\n{dedent(routes).strip()}\n" if routes else "")
        return System(load_text(text, "test.yaml", {}), authenticating_types(), answering_types(), running)

    return make


@pytest.fixture(scope="session")
def look() -> Look:
    """look(check, system): what that one check finds."""

    def found(check: str, at: System) -> list[Found]:
        return list(next(one for one in CHECKS if one.id == check).find(at))

    return found


@pytest.fixture(scope="session")
def told(look: Look, system: SystemOf) -> Any:
    """told(check, routes, …): subject and detail of what that check finds."""
    return lambda check, *args, **more: [f"{one.subject}: {one.detail}" for one in look(check, system(*args, **more))]
