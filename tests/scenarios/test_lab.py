"""The lab at work on a real shop: broken and mended, interrupted, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from scenarios.catalogue import catalogue
from scenarios.cli import lab
from scenarios.lab import blast, judge, matrix, rehearsing, report, show, tap
from scenarios.lab.model import Outcome, Rewrite, Scenario
from scenarios.lab.private import private_instance
from scenarios.lab.target import Target

pytestmark = pytest.mark.timeout(300)
"""Shops start and services restart here, on machines that may have other work."""


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


@pytest.fixture(scope="module")
def monolith() -> Iterator[Instance]:
    with private_instance("monolith") as one:
        yield one


SAMPLE = (
    "api1-bola",  # a service's own check
    "path-tricks",  # what the core does always
    "token-claims",  # a filter of the lab's
    "compromised-third-party",  # a switch
)
"""Of different kinds; all of them by `gatehouse lab selfcheck`, which CI runs."""
EVERYWHERE = ("api5-bfla", "compromised-third-party")


@pytest.mark.parametrize("name", SAMPLE)
def test_breached_without_stopped_with_honest_people_served(name: str, instance: Instance) -> None:
    verdict = judge.run_scenario(catalogue()[name], Target(instance))
    assert verdict.faults == []
    nothing_is_left(instance)


@pytest.mark.parametrize("name", ["rogue-service"])
def test_what_the_mesh_stops(name: str, instance: Instance, mesh: Instance) -> None:
    elsewhere = judge.run_elsewhere(catalogue()[name], Target(instance))
    verdict = judge.run_scenario(catalogue()[name], Target(mesh), elsewhere)
    assert verdict.faults == []
    for one in (instance, mesh):
        nothing_is_left(one)


def test_one_credential_opens_everything_in_the_monolith_alone(monolith: Instance, instance: Instance) -> None:
    scenario = catalogue()["stolen-db-credential"]
    elsewhere = judge.run_elsewhere(scenario, Target(monolith))
    assert "profiles" in str(elsewhere.attack_evidence)
    verdict = judge.run_scenario(scenario, Target(instance), elsewhere)
    if verdict.defended.outcome.breached:  # no Landlock here: it says so, and does not pass
        assert "not enforced on this machine" in verdict.defended.outcome.got
        assert verdict.faults
    else:
        assert verdict.faults == []
    for one in (monolith, instance):
        assert json.loads((one.state_dir / "lab.json").read_text())["broken"] == []


@pytest.mark.parametrize("name", EVERYWHERE)
def test_in_the_mesh_every_attack_fails(name: str, mesh: Instance) -> None:
    scenario, target = catalogue()[name], Target(mesh)
    nobody = judge.Run(Outcome(True, ""), True, [], [], 0)
    verdict = judge.Verdict(scenario, nobody, nobody, 0.0)
    judge.also_in_the_mesh(verdict, target)
    assert verdict.faults == []
    assert verdict.meshed is not None
    assert verdict.meshed.attack_evidence
    weak = replace(scenario, attack=lambda _: Outcome(True, "all"))
    failed = judge.Verdict(weak, nobody, nobody, 0.0)
    judge.also_in_the_mesh(failed, target)
    assert failed.faults == ["the attack got through in the mesh: all"]
    nothing_is_left(mesh)


def test_the_self_check_runs_all_of_it_and_then_the_mesh(
    instance: Instance, mesh: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, running = ("api5-bfla", "rogue-service"), {"gateway": instance, "mesh": mesh}
    monkeypatch.setattr(rehearsing, "catalogue", lambda: {name: catalogue()[name] for name in names})
    monkeypatch.setattr(rehearsing, "private_instance", lambda architecture: nullcontext(running[architecture]))
    done = CliRunner().invoke(lab, ["selfcheck"])
    assert done.exit_code == 0, done.output
    assert "2 of 2 pass" in done.output
    assert "In the mesh, fully defended, 2 of 2 attacks fail." in done.output
    open_ = replace(catalogue()["api5-bfla"], attack=lambda _: Outcome(True, "all"))
    monkeypatch.setattr(rehearsing, "catalogue", lambda: {"api5-bfla": open_})
    failed = CliRunner().invoke(lab, ["selfcheck", "--json"])
    assert failed.exit_code == 1
    [told] = json.loads(failed.stdout)["scenarios"]
    assert told["faults"] == ["the attack got through the control: all", "the attack got through in the mesh: all"]


def test_one_control_missing_is_as_it_was_written_down(mesh: Instance) -> None:
    found = list(matrix.alone(catalogue()["api4-resources"], Target(mesh)))
    assert matrix.differences(found, matrix.written()) == []
    assert [one.breached for one in found] == [False, False]  # either of two is enough
    nothing_is_left(mesh)


def test_every_attack_is_tried_with_one_control_missing(mesh: Instance) -> None:
    every, target = catalogue(), Target(mesh)
    removals = matrix.owners(every)

    def through(removed: str, *names: str) -> list[str]:
        of, missing = removals[removed]
        return matrix.crossed({name: every[name] for name in names}, missing, of, target)

    # A check of one service, and attacks on it and on others, one of which stages something and one shuts somebody out.
    some = ("api1-bola", "api5-bfla", "compromised-third-party", "token-replay")
    assert through("service orders: planted: no-owner-check", *some) == ["api1-bola"]
    nothing_is_left(mesh)
    # What token-replay stages is not taken with a naive filter in front.
    naive = "gateway: route orders-read verifies tokens as naive code does (LabNaiveJwt)"
    assert through(naive, "token-replay", "token-forgery") == ["token-forgery"]
    # A control that is only there while its scenario is staged is missed by that one alone.
    bearer = "gateway: route orders-read takes a token from whoever bears it"
    assert through(bearer, "api1-bola") == ["token-replay"]
    nothing_is_left(mesh)


def test_the_command_tries_every_attack_and_says_what_is_otherwise(
    mesh: Instance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    some = {name: catalogue()[name] for name in ("api5-bfla", "api1-bola")}
    monkeypatch.setattr(rehearsing, "catalogue", lambda: some)
    monkeypatch.setattr(rehearsing, "private_instance", lambda architecture: nullcontext(mesh))
    monkeypatch.setattr(matrix, "CROSSED", tmp_path / "crossed.json")
    written = CliRunner().invoke(lab, ["matrix", "--all", "--write"])
    assert written.exit_code == 0, written.output
    found = matrix.written_crossed()
    assert list(found.values()) == [["api5-bfla"], ["api1-bola"]]
    assert "GETS THROUGH" in written.output
    (tmp_path / "crossed.json").write_text(json.dumps({name: [] for name in found}))
    told = CliRunner().invoke(lab, ["matrix", "--all", "--json"])
    assert told.exit_code == 1
    assert len(json.loads(told.stdout)["differences"]) == 2


def test_more_evidence_is_gathered_where_it_is_asked_for(instance: Instance) -> None:
    verdict = judge.run_scenario(catalogue()["api5-bfla"], Target(instance), thorough=True)
    more = verdict.defended.more
    assert more is not None
    assert "Authorize" in more.line
    assert more.exchange.policy
    assert any(bar.service == "gateway" for bar in more.bars)
    assert any("insufficient_scope" in line for _, line in more.logs)
    assert any("403" in name for name, _ in more.counters)
    page = report.html([verdict], made="2026-01-05")
    for text in ("The line that decided", "Log lines of this trace", "Counters that grew", more.exchange.trace_id[:16]):
        assert text in page


def nothing_is_left(instance: Instance) -> None:
    notes = json.loads((instance.state_dir / "lab.json").read_text())
    assert (notes["broken"], notes["touched"], notes["rerouted"]) == ([], "", False)
    assert not any(notes["planted"].values())
    assert not notes["shut"]
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
    assert target.copies.at("mesh").exists()
    assert target.graphql("alice", "{ me { orders { id } } }").json()["data"]["me"]["orders"] is None
    target.copies.at("mesh").write_text("services: [{name: orders, filter: []}]")
    with pytest.raises(Failure, match=r"mesh.yaml:1"):
        target.copies.load_all("rogue-service")
    target.restore(scenario)
    assert not target.copies.at("mesh").exists()
    assert target.graphql("alice", "{ me { orders { id } } }").json()["data"]["me"]["orders"]
    nothing_is_left(mesh)


def test_what_only_the_mesh_stops_is_told(instance: Instance, mesh: Instance) -> None:
    code, said = run(instance, "attack", "rogue-service")
    assert (code, "has no control for it: gatehouse up --architecture mesh" in said) == (1, True)
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
    copy = Target(instance).copies.at("gateway")
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
    from scenarios.lab.live import at_work

    with at_work(instance.state_dir):
        code, said = run(instance, "reset")
    assert (code, "Another lab" in said) == (1, True)


def test_what_was_killed_half_way_is_taken_back_by_reset(instance: Instance) -> None:
    """As if the lab had died: everything is noted before it is done."""
    third, service = catalogue()["compromised-third-party"], catalogue()["api8-misconfig"]
    Target(instance).defend(third)
    assert instance.admin("GET", "/egress")["third_parties"][0]["quarantine"]
    code, said = run(instance, "reset")
    assert (code, third.id in said) == (0, True)
    assert not instance.admin("GET", "/egress")["third_parties"][0]["quarantine"]
    Target(instance).weaken(service)
    assert run(instance, "reset")[0] == 0
    assert not judge.attack(service, Target(instance)).outcome.breached
    nothing_is_left(instance)


def test_a_switch_stays_where_it_was_put_until_reset(instance: Instance) -> None:
    name = "compromised-third-party"
    assert run(instance, "attack", name)[0] == 1  # nobody has pulled it
    assert run(instance, "break", name)[0] == 0
    code, said = run(instance, "fix", name)
    assert (code, "stays in quarantine until" in said) == (0, True)
    assert run(instance, "attack", name)[0] == 0
    assert run(instance, "reset")[0] == 0
    nothing_is_left(instance)


def test_every_step_is_told_to_programs(instance: Instance) -> None:
    def told(*words: str) -> Any:
        code, said = run(instance, *words, "--json")
        return code, json.loads(said)

    assert told("break", "api5-bfla") == (0, {"weakened": "api5-bfla", "copies": [str(copy_of(instance))]})
    code, found = told("check", "api5-bfla")
    assert (code, found["good"], found["breached"]) == (1, False, True)
    code, found = told("fix", "api5-bfla")
    assert (code, found["defended"], found["control"]["where"]) == (0, "api5-bfla", "gateway")
    assert told("check", "api5-bfla")[1]["good"]
    run(instance, "break", "api5-bfla")
    code, found = told("reset")
    assert (code, found["taken_back"], found["data"]) == (0, ["api5-bfla"], False)
    nothing_is_left(instance)
    story = json.loads(CliRunner().invoke(lab, ["show", "api5-bfla", "--json"]).stdout)
    assert story["hints"] == json.loads(CliRunner().invoke(lab, ["hint", "api5-bfla", "--all", "--json"]).stdout)


def copy_of(instance: Instance) -> Path:
    return Target(instance).copies.at("gateway")


def test_events_say_first_whether_the_control_is_off(instance: Instance) -> None:
    def events() -> list[dict[str, Any]]:
        return [json.loads(line) for line in run(instance, "attack", "api5-bfla", "--events")[1].splitlines()]

    defended = events()
    run(instance, "break", "api5-bfla")
    weakened = events()
    run(instance, "reset")
    for told, weak in ((defended, False), (weakened, True)):
        assert told[0] == {"event": "begin", "weakened": weak}
        assert {one["event"] for one in told[1:-1]} == {"exchange"}
        assert (told[-1]["event"], told[-1]["breached"]) == ("outcome", weak)


def test_a_seed_makes_the_same_output(instance: Instance) -> None:
    scenario = catalogue()["jwks-flood"]

    def told(seed: int) -> list[tuple[str, str, str]]:
        verdict = judge.run_scenario(scenario, Target(instance, seed=seed))
        return [show.steady(row) for row in show.rows(verdict)]

    assert Target(instance, seed=7).random.random() == Target(instance, seed=7).random.random()
    assert told(7) == told(7)
    assert show.steady(("good for", "12 ms", "3.5 s")) == ("good for", "… ms", "… s")


def test_data_begins_again(instance: Instance) -> None:
    target = Target(instance)
    placed = target.call("alice", "POST", "/orders", json={"items": [{"product_id": 3, "quantity": 1}]}).json()["id"]
    assert run(instance, "reset", "--data")[0] == 0
    assert target.call("alice", "GET", f"/orders/{placed}").status == 404
    assert target.call("alice", "GET", "/orders/1001").status == 200


FOOTHOLDS = ("a stolen token", "the edge", "database of orders", "orders crashed")


def test_how_far_footholds_reach_is_counted(instance: Instance, mesh: Instance, monolith: Instance) -> None:
    flat, meshed, whole = (
        {cell.foothold: cell for cell in blast.radius(Target(one), FOOTHOLDS)} for one in (instance, mesh, monolith)
    )
    assert flat["the edge"].services > 2
    assert flat["the edge"].records > flat["a stolen token"].records > 0
    assert (meshed["the edge"].services, meshed["the edge"].operations, meshed["the edge"].records) == (0, 0, 0)
    assert meshed["a stolen token"].operations == flat["a stolen token"].operations > 0
    assert whole["the edge"].seen > 0
    for cells in (flat, meshed):
        assert cells["database of orders"].own > 0
        assert cells["database of orders"].records == 0
        assert 0 < cells["orders crashed"].journeys < cells["the edge"].journeys == len(blast.JOURNEYS)
    assert whole["database of orders"].records > 0
    assert whole["orders crashed"].journeys < flat["orders crashed"].journeys
    for one in (instance, mesh):
        nothing_is_left(one)


def test_inside_a_service_of_the_mesh_is_where_that_service_gets(mesh: Instance) -> None:
    reports, alone = blast.radius(Target(mesh), ("inside reports", "inside recommendations"))
    assert {one.split()[0] for one in reports.reached} == {"identity"}  # of what its sidecar calls, without a user
    assert (reports.records, alone.records, alone.reached) == (0, 0, ())
    assert reports.own > 0
    nothing_is_left(mesh)


def test_inside_a_monolith_is_inside_of_everything(monolith: Instance) -> None:
    [inside] = blast.radius(Target(monolith), ("inside orders",))
    assert {"profiles", "storefront", "reports"} <= {one.split()[0] for one in inside.reached}
    assert inside.records > 0
    assert inside.secrets > 0


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
