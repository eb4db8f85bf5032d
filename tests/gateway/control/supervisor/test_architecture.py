"""Which processes an architecture has, and what each of them may."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.control.supervisor.architecture import ARCHITECTURES, architecture_of, arranged, without_gateway
from gateway.control.supervisor.manifest import load_manifest, parse_manifest
from gateway.control.supervisor.options import Options, default_manifest, ready_config
from gateway.control.supervisor.read_spec import ListenerPlace, SpecSummary

SHOP = load_manifest(default_manifest())
MONOLITH = ARCHITECTURES["monolith"]


@pytest.mark.parametrize("name", ["flat", "gateway", "mesh"])
def test_services_are_processes_everywhere_but_in_the_monolith(name: str) -> None:
    assert arranged(SHOP, ARCHITECTURES[name]) is SHOP


def test_the_monolith_stands_for_its_modules() -> None:
    made = arranged(SHOP, MONOLITH)
    assert SHOP.monolith is not None
    before = {entry.name for entry in SHOP.services}
    assert {entry.name for entry in made.services} == before - set(SHOP.monolith.modules) | {"monolith"}


def test_the_monolith_may_do_what_any_of_its_modules_may_and_no_more() -> None:
    made = {entry.name: entry for entry in arranged(SHOP, MONOLITH).services}["monolith"]
    inside = [entry for entry in SHOP.services if entry.name in made.modules]
    called = {peer for entry in inside for peer in entry.peers} - set(made.modules)
    assert set(made.peers) == called | {"shipping"}, "it passes on what is asked of shipping, which is in no module"
    assert set(made.redis) == {rule for entry in inside for rule in entry.redis}
    assert "profiles" in made.secrets["clients"]
    assert "users" not in made.secrets


def test_identity_still_knows_the_modules_as_clients() -> None:
    assert {"partner", "profiles"} <= set(arranged(SHOP, MONOLITH).clients)


def test_who_stays_outside_is_told_of_nobody_who_is_not_there() -> None:
    document = {
        "services": [
            {"name": "identity", "module": "i"},
            {"name": "orders", "module": "o", "peers": ["identity"]},
            {"name": "reports", "module": "r", "peers": ["identity", "orders"]},
        ],
        "monolith": {"name": "monolith", "module": "m", "modules": ["orders"]},
    }
    made = {entry.name: entry for entry in arranged(parse_manifest(document), MONOLITH).services}
    assert set(made) == {"identity", "monolith", "reports"}
    assert made["reports"].peers == ("identity",)


@pytest.mark.parametrize(
    "monolith",
    [
        {"name": "orders", "module": "m", "modules": ["orders"]},
        {"name": "control", "module": "m", "modules": ["orders"]},
        {"name": "monolith", "module": "m", "modules": ["nobody"]},
    ],
)
def test_a_monolith_has_a_name_of_its_own_and_modules_that_exist(monolith: Any) -> None:
    with pytest.raises(ValueError, match="must be a name of its own, and its modules services"):
        parse_manifest({"services": [{"name": "orders", "module": "o"}], "monolith": monolith})


def test_without_a_gateway_nothing_is_listened_on_and_no_worker_starts() -> None:
    spec = SpecSummary((ListenerPlace("public", "127.0.0.1", 8088),), workers=2, drain_timeout=5.0)
    assert without_gateway(spec, MONOLITH) == SpecSummary((), workers=0, drain_timeout=5.0)
    assert without_gateway(spec, ARCHITECTURES["flat"]) is spec


def test_where_there_is_a_meshs_file_there_is_a_mesh() -> None:
    assert architecture_of(Options(state_dir="/s", mesh="/mesh.yaml")).name == "mesh"
    assert architecture_of(Options(state_dir="/s")).name == "gateway"


def test_every_architecture_has_its_file() -> None:
    assert all(ready_config(one.config).is_file() for one in ARCHITECTURES.values())


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--architecture", "flat", "--mesh"), "--mesh is another architecture than flat"),
        (("--architecture", "monolith", "--config", str(ready_config("shop.yaml"))), "the monolith has no gateway"),
        (("--architecture", "microservices"), "'microservices' is not one of"),
    ],
)
def test_wishes_that_contradict_each_other(words: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(cli, ["up", *words])
    assert result.exit_code == 2
    assert complaint in result.output
