"""Every user journey works in every architecture, and one that does not says at which step."""

from __future__ import annotations

from typing import Any

import pytest

from sample_services.journeys.stories import ALL

pytestmark = pytest.mark.whole_system

SERVICES = {"orders", "profiles", "storefront", "reports", "recommendations"}
"""What is one process each, or a module of the monolith."""


def failed(outcomes: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {name: (one["step"], one["why"]) for name, one in outcomes.items() if not one["passed"]}


def test_every_journey_works_twice(shop: Any) -> None:
    first, second = shop.rounds(2)  # twice, since some change something for good
    assert failed(first) == failed(second) == {}
    assert set(first) == set(second) == set(ALL)


def test_what_runs_is_what_the_architecture_says(shop: Any) -> None:
    processes = shop.processes()
    kinds = [row["kind"] for row in processes.values()]
    assert ("monolith" in processes) == (shop.architecture == "monolith")
    assert SERVICES & set(processes) == (set() if shop.architecture == "monolith" else SERVICES)
    assert kinds.count("worker") == (0 if shop.architecture == "monolith" else 2)
    assert ("sidecar" in kinds) == ("authority" in kinds) == (shop.architecture == "mesh")
    assert {"identity", "alerts", "redis", "control"} <= set(processes)
    databases = {file.stem for file in (shop.state / "data").glob("*/*.db")}
    own = {"monolith"} if shop.architecture == "monolith" else SERVICES - {"recommendations"}  # which keeps nothing
    assert databases - {"shipping"} == {"identity", "alerts", "payments", *own}


def test_the_architecture_is_told_everywhere(shop: Any) -> None:
    assert shop.instance.architecture == shop.architecture
    assert shop.ask(do="ps")["architecture"] == shop.architecture
    assert {row["architecture"] for row in shop.processes().values()} == {shop.architecture}
    assert shop.admin("/services")["architecture"] == shop.architecture
    assert shop.admin("/readyz")["status"] == "ready"


def test_one_part_stopped_and_what_still_works(shop: Any) -> None:
    """The blast radius, from outside: one of several services, or the only process that there is."""
    part = "monolith" if shop.architecture == "monolith" else "profiles"
    shop.ask(do="stop", name=part)
    try:
        outcomes = shop.journeys("browse", "own_orders", "profile_by_soap", "graphql_page", "partner")
        assert not shop.listens(part)
    finally:
        shop.ask(do="start", name=part)
    broken = failed(outcomes)
    if shop.architecture == "monolith":
        assert set(broken) == set(outcomes)
        assert broken["browse"] == ("open the shop's page", "GET /: no answer (ClientConnectorError)")
    else:
        assert set(broken) == {"profile_by_soap", "graphql_page"}
        step, why = broken["profile_by_soap"]
        assert step == "read the contract"
        assert why.startswith("GET /profiles/soap?wsdl answered 50")
