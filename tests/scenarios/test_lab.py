"""The lab at work on a real shop: broken and mended, interrupted, refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from gateway.cli.instance import Instance
from scenarios.catalogue import catalogue
from scenarios.cli import lab
from scenarios.lab import judge
from scenarios.lab.model import Outcome, Scenario
from scenarios.lab.private import private_instance
from scenarios.lab.target import Target


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with private_instance("gateway") as one:
        yield one


def run(instance: Instance, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(lab, [*words, "--state-dir", str(instance.state_dir)])
    return done.exit_code, done.output


AT_THE_GATEWAY = [one for one in catalogue().values() if one.architecture == "gateway"]


@pytest.mark.parametrize("scenario", AT_THE_GATEWAY, ids=lambda one: one.id)
def test_breached_without_stopped_with_honest_people_served(scenario: Scenario, instance: Instance) -> None:
    verdict = judge.run_scenario(scenario, Target(instance))
    assert verdict.faults == []
    assert Target(instance).broken() == []


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


def test_what_is_told_to_programs(instance: Instance) -> None:
    code, said = run(instance, "attack", "api1-bola", "--json")
    found = json.loads(said)
    assert (code, found["breached"]) == (0, False)
    assert {one["reason"] for one in found["attack"]} >= {"not_owner"}
    assert all(len(one["trace_id"]) == 32 for one in found["attack"])
