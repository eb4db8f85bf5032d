"""The catalogue is complete, and fits the shop's configuration and code."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli.console import Failure, Misuse
from gateway.cli.summary import DEFENCES
from gateway.compile.load import load_spec
from gateway.spec.errors import SpecErrors
from scenarios.catalogue import ORDER, catalogue, find_scenario
from scenarios.lab import matrix, show
from scenarios.lab.client import Client, check_loopback
from scenarios.lab.copies import remove
from scenarios.lab.model import Plant, Remove, Scenario

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "config" / "shop.yaml"
ALL = list(catalogue().values())


@pytest.fixture
def shop() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(SHOP.read_text())
    return document


def test_every_file_is_in_the_catalogue_and_short_enough_to_read_aloud() -> None:
    files = {file.stem for file in (ROOT / "scenarios").glob("*.py")} - {"__init__", "catalogue", "cli"}
    assert files == set(ORDER)
    for name in ORDER:
        assert len((ROOT / "scenarios" / f"{name}.py").read_text().splitlines()) <= 160, name


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.id)
def test_it_says_all_that_a_trainer_needs(scenario: Scenario) -> None:
    assert scenario.id.replace("-", "_") in ORDER
    assert all(re.fullmatch(r"C\d{1,2}", claim) for claim in scenario.claims)
    assert 40 < len(scenario.story) < 600
    assert scenario.control.lines


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.id)
def test_what_it_plants_stands_in_one_marked_place(scenario: Scenario) -> None:
    for one in (*scenario.stage, *scenario.weaknesses):
        if isinstance(one, Plant):
            code = "".join(
                file.read_text()
                for folder in (one.service, "kit")
                for file in (ROOT / "sample_services" / folder).rglob("*.py")
            )
            assert f'"{one.name}"' in code, "the weakness is planted nowhere"
            assert re.search(rf'"{one.name}"\).*# LAB: ', code), "the place is not marked"


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.id)
def test_what_it_takes_away_is_there_and_the_rest_still_loads(scenario: Scenario, shop: dict[str, Any]) -> None:
    removed = [one for one in (*scenario.stage, *scenario.weaknesses) if isinstance(one, Remove)]
    whole = copy.deepcopy(shop)
    for one in removed:
        remove(shop, one)
    if removed:
        assert shop != whole
        load_spec(SHOP, {}, yaml.safe_dump(shop))


def test_what_cannot_be_taken_away_is_an_error(shop: dict[str, Any]) -> None:
    with pytest.raises(Failure, match="no ApiKey"):
        remove(shop, Remove("orders-write", "ApiKey"))
    with pytest.raises(Failure, match="no route"):
        remove(shop, Remove("orders-erase", "JWT"))


def test_a_filter_of_the_labs_stands_in_no_file(tmp_path: Path) -> None:
    text = """
    listeners: [{name: public, port: 0}]
    clusters: [{name: a, endpoints: ["127.0.0.1:1"]}]
    routes:
      - name: a
        backendRefs: [{cluster: a}]
        filters: [{type: LabNaiveJwt, publicKey: a, secret: b, folder: c}]
    """
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SpecErrors, match="only the lab may use it"):
        load_spec(file, {})
    load_spec(file, {}, text)  # what the lab has put in its place
    file.write_text(text.replace("LabNaiveJwt, publicKey: a, secret: b, folder: c", "LabSignatureOnly, keys: []"))
    with pytest.raises(SpecErrors, match="only the lab may use it"):
        load_spec(file, {})


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(Misuse) as caught:
        find_scenario("api1-bolla")
    assert "api1-bola" in str(vars(caught.value))


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://shop.example", "http://[2001:db8::1]", "http://", "x"])
def test_nothing_but_loopback_is_attacked(url: str) -> None:
    with pytest.raises(Misuse, match="loopback only"):
        check_loopback(url)
    with pytest.raises(Misuse, match="loopback only"):
        Client("http://127.0.0.1:1", via=url)


def test_nothing_is_weak_by_itself() -> None:
    """No service has a weakness that nobody asked for: each planted place asks for its name."""
    for file in (ROOT / "sample_services").rglob("*.py"):
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            if "LAB:" in line:
                assert "weak(" in line, f"{file}:{number}"


def test_what_is_written_down_of_removals_fits_the_catalogue() -> None:
    written = matrix.written()
    possible = {
        (one.id, show.weakness_text(weakness)) for one in catalogue().values() for weakness in matrix.removable(one)
    }
    assert written
    assert {(one.scenario, one.removed) for one in written} <= possible, "gatehouse lab matrix --write"
    assert "api4-resources" in matrix.in_depth(written)
    assert "api1-bola" not in matrix.in_depth(written)


def test_what_is_otherwise_than_written_down_is_told() -> None:
    one = matrix.Entry("api1-bola", "a check", breached=True)
    other = matrix.Entry("api1-bola", "a check", breached=False)
    assert matrix.differences([one], [one]) == []
    assert matrix.differences([other], [one]) == ["api1-bola, without a check: stopped, written down is breached"]
    assert matrix.differences([one], []) == []
    assert (matrix.new([one], []), matrix.new([one], [other])) == ([one], [])


def test_a_control_that_stops_several_attacks_is_taken_away_once() -> None:
    removals = matrix.owners(catalogue())
    both = [text for text in removals if "SoapGuard is taken off" in text]
    assert len(both) == 1
    assert removals[both[0]][0].id == "soap-xxe"


def test_what_is_written_down_of_every_attack_and_every_removal_fits_the_catalogue() -> None:
    crossed = matrix.written_crossed()
    assert list(crossed) == list(matrix.owners(catalogue())), "gatehouse lab matrix --all --write"
    assert all(set(through) <= set(catalogue()) for through in crossed.values())
    for one in matrix.written():
        assert (one.scenario in crossed[one.removed]) == one.breached, one
    found = {"a check": ["api1-bola"]}
    assert matrix.crossed_differences(found, found) == []
    assert matrix.crossed_differences(found, {"a check": []}) == [
        "without a check: api1-bola gets through, written down is nothing"
    ]


def test_whoever_starts_the_shop_is_told_which_attacks_only_the_mesh_stops() -> None:
    only = [one.id for one in catalogue().values() if one.instead == "gateway"]
    assert only
    told = DEFENCES["gateway"].partition("only the mesh stops: ")[2].partition(".")[0]
    assert sorted(told.split(", ")) == sorted(only)
