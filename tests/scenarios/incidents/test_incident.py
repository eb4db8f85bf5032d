"""An incident on a real shop: begun, visible, answered, ended; and every way in which it can be cut short."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from click.testing import CliRunner

from gateway.cli.instance import Instance
from scenarios.cli import lab
from scenarios.incidents import case as cases
from scenarios.incidents import health, operations
from scenarios.incidents.bench import Bench
from scenarios.incidents.catalogue import catalogue
from scenarios.incidents.cli import incident
from scenarios.incidents.poisoned_cache import cached
from scenarios.lab import lock
from scenarios.lab.private import private_instance

pytestmark = [pytest.mark.whole_system, pytest.mark.timeout(400)]
WITHIN = 120.0


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with private_instance("gateway") as one:
        yield one


@pytest.fixture(autouse=True)
def afterwards_nothing_runs(instance: Instance) -> Iterator[None]:
    yield
    if lock.is_taken(instance.state_dir):
        operations.end(instance)


def run(instance: Instance, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(incident, [*words, "--state-dir", str(instance.state_dir)])
    return done.exit_code, done.output


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def begin(instance: Instance, name: str) -> None:
    operations.start(instance, catalogue()[name], surprise=True, warm=0.5)


def test_from_the_report_to_the_timeline(instance: Instance) -> None:
    begin(instance, "slow-database")
    operations.wait_visible(instance, WITHIN)
    code, said = run(instance, "status", "--json")
    told = json.loads(said)
    assert (code, told["state"], told["incident"], told["found"]) == (0, "running", None, False)
    assert told["visible_after_s"] > 0
    assert run(instance, "answer", "orders", "slowdatabase")[0] == 2
    code, said = run(instance, "answer", "storefront", "slow-database")
    assert (code, "past the storefront" in said) == (1, True)
    assert CliRunner().invoke(lab, ["reset", "--state-dir", str(instance.state_dir)]).exit_code == 1
    assert run(instance, "answer", "orders", "slow-database")[0] == 0
    code, said = run(instance, "end")
    assert (code, "RESTORED" in said) == (0, True)
    words = ("began", "visible in metrics", "no alerts are evaluated", "wrong answer", "found", "class room")
    assert [word for word in words if word not in said] == []
    assert health.until_well(instance, WITHIN) == []
    assert run(instance, "answer", "orders", "slow-database")[0] == 1, "nothing runs any more"


def processes(instance: Instance) -> dict[str, psutil.Process]:
    """The keeper and its worker, of this test's shop."""
    mine = psutil.Process().children(recursive=True)
    found = [one for one in mine if one.status() != psutil.STATUS_ZOMBIE and operations.DIRECTOR in one.cmdline()]
    (keeper,) = [one for one in found if one.ppid() == os.getpid()]
    (worker,) = [one for one in found if one.ppid() == keeper.pid]
    return {"keeper": keeper, "worker": worker}


@pytest.mark.parametrize("victims", [("worker",), ("keeper",), ("worker", "keeper")], ids="+".join)
def test_whoever_is_killed_the_shop_is_restored(instance: Instance, victims: tuple[str, ...]) -> None:
    begin(instance, "poisoned-cache")
    assert "GET /products/1 answered 404" in health.ills(instance)
    known = processes(instance)
    for one in victims:
        known[one].suspend()  # together, so that neither sees the other go
    for one in victims:
        known[one].kill()
    if len(victims) == 2:
        until(lambda: not lock.is_taken(instance.state_dir))
        assert Bench(instance).dirty
        assert run(instance, "end")[0] == 0
    until(lambda: not lock.is_taken(instance.state_dir))
    assert health.until_well(instance, WITHIN) == []
    found = cases.load(instance.state_dir)
    assert found is not None
    assert found.phase == "ended"


def test_an_interrupted_start_restores(instance: Instance) -> None:
    words = ["incident", "start", "poisoned-cache", "--state-dir", str(instance.state_dir)]
    command = subprocess.Popen([sys.executable, "-m", "gateway.cli.main", *words], stderr=subprocess.PIPE)
    until(lambda: lock.is_taken(instance.state_dir))
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=WITHIN)
    assert command.returncode != 0
    assert not lock.is_taken(instance.state_dir)
    assert health.until_well(instance, WITHIN) == []


def test_a_killed_start_restores(instance: Instance) -> None:
    words = ["incident", "start", "poisoned-cache", "--state-dir", str(instance.state_dir)]
    command = subprocess.Popen([sys.executable, "-m", "gateway.cli.main", *words])
    until(lambda: lock.is_taken(instance.state_dir))
    command.kill()
    command.wait()
    until(lambda: not lock.is_taken(instance.state_dir))
    found = cases.load(instance.state_dir)
    assert found is None or found.phase == "ended"
    assert health.until_well(instance, WITHIN) == []


def test_its_time_ends_it(instance: Instance) -> None:
    operations.start(instance, catalogue()["poisoned-cache"], seconds=5.0, warm=0.1)
    until(lambda: not lock.is_taken(instance.state_dir))
    assert health.until_well(instance, WITHIN) == []
    found = cases.load(instance.state_dir)
    assert found is not None
    assert found.why == "its time was over"


def test_what_cannot_begin_does_not(instance: Instance) -> None:
    assert run(instance, "start", "expired-certificate")[0] == 2, "there is no mesh"
    assert "Did you mean slow-database?" in run(instance, "start", "slow-databse")[1]
    assert run(instance, "start")[0] == 2
    fd = lock.take(instance.state_dir)
    try:
        assert "Another lab" in run(instance, "start", "slow-database")[1]
    finally:
        os.close(fd)
    document = yaml.safe_load(Path(instance.config).read_text())
    cached(document, None)
    instance.admin("PUT", "/override", {"text": yaml.safe_dump(document), "why": "a lesson"})
    try:
        assert "weakened already (a lesson)" in run(instance, "start", "slow-database")[1]
        assert "the gateway's configuration is still changed" in health.ills(instance)
    finally:
        instance.admin("DELETE", "/override")
