"""The lab at work on a real shop: broken and mended, interrupted, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from scenarios.catalogue import catalogue
from scenarios.cli import lab
from scenarios.lab import blast, judge, tap
from scenarios.lab.model import Outcome, Rewrite, Scenario
from scenarios.lab.private import private_instance
from scenarios.lab.target import Target


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with private_instance("gateway") as one:
        yield one


@pytest.fixture(scope="module")
def mesh() -> Iterator[Instance]:
    with private_instance("mesh") as one:
        yield one


def run(instance: Instance, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(lab, [*words, "--state-dir", str(instance.state_dir)])
    return done.exit_code, done.output


IN_THE_MESH = [one for one in catalogue().values() if one.architecture == "mesh"]
AT_THE_GATEWAY = [one for one in catalogue().values() if one.architecture == "gateway"]


@pytest.mark.parametrize("scenario", AT_THE_GATEWAY, ids=lambda one: one.id)
def test_breached_without_stopped_with_honest_people_served(scenario: Scenario, instance: Instance) -> None:
    verdict = judge.run_scenario(scenario, Target(instance))
    assert verdict.faults == []
    nothing_is_left(instance)


@pytest.mark.parametrize("scenario", IN_THE_MESH, ids=lambda one: one.id)
def test_what_the_mesh_stops(scenario: Scenario, instance: Instance, mesh: Instance) -> None:
    elsewhere = judge.run_elsewhere(scenario, Target(instance)) if scenario.instead == "gateway" else None
    verdict = judge.run_scenario(scenario, Target(mesh), elsewhere)
    assert verdict.faults == []
    for one in (instance, mesh):
        nothing_is_left(one)


def nothing_is_left(instance: Instance) -> None:
    notes = json.loads((instance.state_dir / "lab.json").read_text())
    assert (notes["broken"], notes["touched"], notes["rerouted"]) == ([], "", False)
    assert not any(notes["planted"].values())
    assert instance.admin("GET", "/config")["override"] is None


def test_the_mesh_is_weakened_and_mended_by_a_copy_of_its_file(mesh: Instance) -> None:
    target = Target(mesh)

    def only_the_gateway(document: dict[str, Any], _: Target) -> None:
        for one in document["services"]:
            one["filters"] = [{"type": "AuthorizationPolicy", "allow": [{"name": "all", "principals": ["gateway"]}]}]

    scenario = Scenario(**{
        **vars(catalogue()["rogue-service"]),
        "weaknesses": (Rewrite(only_the_gateway, "nobody but the gateway calls anybody", file="mesh"),),
        "stage": (),
    })  # fmt: skip
    target.weaken(scenario)
    assert mesh.admin("GET", "/config")["override"]["why"] == "rogue-service"
    assert target.copy_of("mesh").exists()
    assert target.graphql("alice", "{ me { orders { id } } }").json()["data"]["me"]["orders"] is None
    target.copy_of("mesh").write_text("services: [{name: orders, filter: []}]")
    with pytest.raises(Failure, match=r"mesh.yaml:1"):
        target.load_copies("rogue-service")
    target.restore(scenario)
    assert not target.copy_of("mesh").exists()
    assert target.graphql("alice", "{ me { orders { id } } }").json()["data"]["me"]["orders"]
    nothing_is_left(mesh)


def test_what_only_the_mesh_stops_is_told(instance: Instance, mesh: Instance) -> None:
    code, said = run(instance, "attack", "rogue-service")
    assert (code, "has no control for it: gatehouse up --mesh" in said) == (1, True)
    assert run(mesh, "attack", "rogue-service")[0] == 0
    assert run(instance, "break", "rogue-service")[0] == 2
    told = CliRunner().invoke(lab, ["list"]).output
    assert "Only the mesh stops rogue-service" in told


def test_a_mesh_that_is_not_there_is_not_weakened(instance: Instance) -> None:
    answer = instance.admin_answer("PUT", "/mesh/override", {"text": "services: []", "why": "a test"})
    assert (answer.status, answer.json()["reason"]) == (404, "no_mesh")


def test_break_attack_mend_check(instance: Instance) -> None:
    code, said = run(instance, "break", "api5-bfla")
    assert (code, "WEAKENED" in said) == (0, True)
    config = instance.admin("GET", "/config")
    assert config["override"]["why"] == "api5-bfla"
    assert run(instance, "attack", "api5-bfla")[0] == 1
    assert "NOT YET" in run(instance, "check", "api5-bfla")[1]
    copy = Target(instance).copy
    text = copy.read_text()
    i = text.index("- name: orders-write")
    j = text.index("provider: shop\n", i) + len("provider: shop\n")
    copy.write_text(text[:j] + "  - type: Authorize\n    scopes: ['orders:write']\n" + text[j:])
    code, said = run(instance, "check", "api5-bfla")
    assert (code, "GOOD" in said) == (0, True), said
    assert run(instance, "fix", "api5-bfla")[0] == 0
    assert instance.admin("GET", "/config")["override"] is None
    assert run(instance, "attack", "api5-bfla")[0] == 0


def test_one_weakness_at_a_time_and_reset_takes_it_back(instance: Instance) -> None:
    run(instance, "break", "api1-bola")
    code, said = run(instance, "break", "api5-bfla")
    assert (code, "api1-bola" in said) == (2, True)
    code, said = run(instance, "reset")
    assert (code, "api1-bola" in said) == (0, True)
    assert Target(instance).broken() == []
    assert run(instance, "attack", "api1-bola")[0] == 0


def test_an_attack_that_fails_half_way_leaves_the_system_defended(instance: Instance) -> None:
    scenario = catalogue()["api1-bola"]

    def fails(_: Target) -> Outcome:
        raise KeyboardInterrupt

    interrupted = Scenario(**{**vars(scenario), "attack": fails})
    with pytest.raises(KeyboardInterrupt):
        judge.run_scenario(interrupted, Target(instance))
    assert Target(instance).broken() == []
    assert not judge.attack(scenario, Target(instance)).outcome.breached


def test_a_scenario_that_proves_nothing_does_not_pass(instance: Instance) -> None:
    scenario = catalogue()["api1-bola"]
    harmless = Scenario(**{**vars(scenario), "attack": lambda _: Outcome(False, "nothing")})
    faults = judge.run_scenario(harmless, Target(instance)).faults
    assert faults == ["the attack failed though the control was off: nothing"]
    unstoppable = Scenario(**{**vars(scenario), "attack": lambda _: Outcome(True, "all")})
    assert judge.run_scenario(unstoppable, Target(instance)).faults == ["the attack got through the control: all"]
    nobody = Scenario(**{**vars(scenario), "benign": lambda _: False})
    assert len(judge.run_scenario(nobody, Target(instance)).faults) == 2


def test_two_labs_on_one_instance_are_refused(instance: Instance) -> None:
    from scenarios.cli import at_work

    with at_work(instance.state_dir):
        code, said = run(instance, "reset")
    assert (code, "Another lab" in said) == (1, True)


def test_data_begins_again(instance: Instance) -> None:
    target = Target(instance)
    placed = target.call("alice", "POST", "/orders", json={"items": [{"product_id": 3, "quantity": 1}]}).json()["id"]
    assert run(instance, "reset", "--data")[0] == 0
    assert target.call("alice", "GET", f"/orders/{placed}").status == 404
    assert target.call("alice", "GET", "/orders/1001").status == 200


FOOTHOLDS = ("a stolen token", "what the edge sends on", "database of orders", "orders crashed")


def test_how_far_footholds_reach_is_counted(instance: Instance, mesh: Instance) -> None:
    flat = {cell.foothold: cell for cell in blast.radius(Target(instance), FOOTHOLDS)}
    meshed = {cell.foothold: cell for cell in blast.radius(Target(mesh), FOOTHOLDS)}
    edge = "what the edge sends on"
    assert flat[edge].services > 2
    assert flat[edge].records > flat["a stolen token"].records > 0
    assert (meshed[edge].services, meshed[edge].operations, meshed[edge].records) == (0, 0, 0)
    assert meshed["a stolen token"].operations == flat["a stolen token"].operations > 0
    for cells in (flat, meshed):
        assert cells["database of orders"].records > 0
        assert 0 < cells["orders crashed"].journeys < cells[edge].journeys == len(blast.JOURNEYS)
    for one in (instance, mesh):
        nothing_is_left(one)


def test_an_interrupted_tap_is_taken_back(instance: Instance) -> None:
    target = Target(instance)
    before = instance.admin("GET", "/config")["spec"]
    seen = []

    def interrupted() -> None:
        with tap.on_the_way_to(target, "orders") as wire:
            assert target.call("alice", "GET", "/orders").status == 200
            seen.extend(wire.tokens)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(seen) == 1
    assert instance.admin("GET", "/config")["spec"] == before
    nothing_is_left(instance)


def test_what_is_told_to_programs(instance: Instance) -> None:
    code, said = run(instance, "attack", "api1-bola", "--json")
    found = json.loads(said)
    assert (code, found["breached"]) == (0, False)
    assert {one["reason"] for one in found["attack"]} >= {"not_owner"}
    assert all(len(one["trace_id"]) == 32 for one in found["attack"])
