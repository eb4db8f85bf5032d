"""What the egress gateway is told, and what a quarantine makes of a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.compile.load import load_spec
from gateway.compile.table import filter_types
from gateway.control.egress_part import EGRESS, part_of
from gateway.control.quarantine import Quarantine, Verdict, isolated
from gateway.control.revision import Revision
from gateway.spec.restore import restore, sent

SHOP = Path(__file__).parents[3] / "config" / "shop.yaml"
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
SHUT = {"payments": Verdict(why="odd answers", since=0.0)}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return sent(load_spec(SHOP, {"GATEHOUSE_WEBHOOK_PAYMENTS": SECRET}))


def shut(document: dict[str, Any]) -> set[str]:
    return {
        route["name"] for route in document["routes"] if (route["filters"] or [{"type": ""}])[0]["type"] == "Quarantine"
    }


def test_a_quarantine_shuts_both_directions_and_nothing_else(document: dict[str, Any]) -> None:
    assert SECRET in json.dumps(document)  # the test's own premise
    barred = isolated(document, SHUT)
    assert shut(barred) == {"ask-payments", "payment-hooks"}
    assert isolated(barred, SHUT) == barred
    assert isolated(barred, {}) == document
    assert isolated(document, {"somebody": SHUT["payments"]}) == document
    assert restore(barred, filter_types())


def test_a_filter_that_the_file_names_stays(document: dict[str, Any]) -> None:
    written = {"type": "Quarantine", "thirdParty": "payments", "why": "", "where": "shop.yaml:7", "digest": ""}
    routes = [{**one, "filters": [written]} if one["name"] == "ask-payments" else one for one in document["routes"]]
    own = {**document, "routes": routes}
    assert isolated(isolated(own, SHUT), {}) == own


def test_the_egress_gateway_is_told_its_part_and_no_secret(document: dict[str, Any]) -> None:
    endpoints = {"payments": ["127.0.0.1:1"], "orders": ["127.0.0.1:2"]}
    told = Revision(3, isolated(document, SHUT), endpoints).message(EGRESS)
    spec = restore(told["spec"], filter_types())
    assert [one.name for one in spec.listeners] == ["to-payments"]
    assert [one.name for one in spec.routes] == ["ask-payments"]
    assert [one.name for one in spec.clusters] == ["payments"]
    assert (spec.providers, spec.stores, told["endpoints"]) == ((), (), {"payments": ["127.0.0.1:1"]})
    assert [one.type for one in spec.routes[0].filters] == ["Quarantine", "RateLimit", "OpenApiValidation"]
    assert SECRET not in json.dumps(told)
    assert "/products" not in json.dumps(told)
    whole = Revision(3, document, endpoints).message("edge")
    assert (whole["spec"], whole["endpoints"]) == (document, endpoints)


def test_its_part_has_what_its_filters_name(document: dict[str, Any]) -> None:
    guard = [{"type": "JWT", "provider": "shop"}, {"type": "RateLimit", "store": "shared"}]
    routes = [
        {**one, "filters": [*guard, *one["filters"]]} if one["name"] == "ask-payments" else one
        for one in document["routes"]
    ]
    part = part_of({**document, "routes": routes})
    assert [one["name"] for one in part["providers"]] == ["shop"]
    assert [one["name"] for one in part["stores"]] == ["shared"]
    assert {one["name"] for one in part["clusters"]} == {"payments", "identity"}


def test_what_was_decided_outlives_who_decided(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.json"
    before = Quarantine(file).change("payments", "odd answers")
    assert before == {}
    again = Quarantine(file)
    assert again.verdicts["payments"].why == "odd answers"
    assert file.stat().st_mode & 0o077 == 0
    again.change("payments", None)
    assert Quarantine(file).verdicts == {}


def test_nobody_is_let_in_because_the_file_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.json"
    file.write_text('{"payments": ')
    with pytest.raises(ValueError, match="who is in quarantine cannot be read"):
        Quarantine(file)
