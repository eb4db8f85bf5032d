"""All scenarios, in the order in which they are best taught."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import MappingProxyType

from gateway.cli.console import no_such
from scenarios.lab.model import Scenario

ORDER = (
    # OWASP API Security Top 10, 2023
    "api1_bola",
    "api2_broken_auth",
    "api3_bopla",
    "api4_resources",
    "api5_bfla",
    "api6_flow",
    "api7_ssrf",
    "api8_misconfig",
    "api9_inventory",
    "api10_unsafe_consumption",
    # GraphQL
    "graphql_aliases",
    "graphql_cost",
    "graphql_introspection",
    "graphql_nested_bola",
    # SOAP and XML
    "soap_xxe",
    "soap_bomb",
    "soap_action_spoof",
    "soap_recover",
    # HTTP
    "path_tricks",
    "header_spoofing",
    "log_injection",
    "slowloris",
    "smuggling",
    # Tokens
    "token_forgery",
    "token_claims",
    "token_replay",
    "token_revocation",
    "jwks_flood",
    # the architecture: what compromise reaches, and what stops it
    "rogue_service",
    "compromised_service",
    "stolen_db_credential",
    "eavesdropping",
    "compromised_edge",
    "confused_deputy",
    "compromised_third_party",
    # resilience: one part fails, and the others go on
    "slow_dependency",
    "cascade",
    "retry_storm",
    "bad_canary",
    "broken_contract",
    "faulty_report",
)
"""Modules of this package."""


@cache
def catalogue() -> MappingProxyType[str, Scenario]:
    """Scenarios by id."""
    found = [import_module(f"scenarios.{name}").SCENARIO for name in ORDER]
    return MappingProxyType({one.id: one for one in found})


def find_scenario(name: str) -> Scenario:
    """The scenario of that id.

    Raises:
        Misuse: there is none; the nearest is named.
    """
    known = catalogue()
    if name not in known:
        raise no_such("scenario", name, known, "gatehouse lab list")
    return known[name]
