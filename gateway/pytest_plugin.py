"""The pytest plugin: gateways, services and tokens for tests of configurations and of one's own filters.

The problem: pytest loads every installed plugin in every run, also for people who never test a gateway. The rule:
loading this costs an import of pytest, which is there already; whatever else is needed is imported by the fixture that
hands it out. The fixtures are plain functions, so that tests may be coroutines of any library, or none at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gateway.testing import Clock, Gatehouse, Issuer, Upstream


@pytest.fixture
def gatehouse_clock() -> Clock:
    """A clock that stands still until the test lets time pass; gateways of a test that asks for it go by it."""
    from gateway.testing import Clock

    return Clock()


@pytest.fixture
def gatehouse(request: pytest.FixtureRequest) -> Iterator[Gatehouse]:
    """Call it with a configuration (text, path or dictionary), and a gateway runs on free ports until the test ends."""
    from gateway.testing import Gatehouse

    wanted = "gatehouse_clock" in request.fixturenames
    with Gatehouse(request.getfixturevalue("gatehouse_clock") if wanted else None) as harness:
        yield harness


@pytest.fixture
def upstream(gatehouse: Gatehouse) -> Upstream:
    """A service that answers as the test says and keeps what it received; for more of them: `gatehouse.upstream()`."""
    return gatehouse.upstream()


@pytest.fixture
def issuer(gatehouse: Gatehouse) -> Issuer:
    """An issuer of tokens: `issuer.token(sub="alice", scopes=["orders:read"])`."""
    return gatehouse.issuer()
