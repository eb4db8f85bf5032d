"""Processes that are born: what they get, how they end, and that nothing depends on their nursery."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control.supervisor.nursery import NoNursery, Nursery
from gateway.control.supervisor.process import Lifeline, reduced_environment, spawn
from gateway.control.supervisor.program import ProcessPlan, python_module
from gateway.mesh.isolation.rules import Rules

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are nurseries on Linux only")
PROGRAM = """
    import json, os, sys, time
    with os.fdopen(int(sys.argv[2])) as pipe:
        told = json.load(pipe)
    kept = os.fstat(told["kept"]).st_ino if "kept" in told else None
    open_ones = len(os.listdir("/proc/self/fd")) - 1
    print(json.dumps({
        "argv": sys.argv[1], "cwd": os.getcwd(), "pid": os.getpid(), "session": os.getsid(0), "kept": kept,
        "open": open_ones, "in": os.readlink("/proc/self/fd/0"), "preloaded": "infants.shared" in sys.modules,
        "main": __name__, "parent": os.getppid(),
    }), flush=True)
    if told.get("wait"):
        time.sleep(600)
    if told.get("raise"):
        raise ValueError("as told")
    sys.exit(told.get("code", 0))
"""


class Ward:
    """A nursery with a package of its own, and plans for it."""

    def __init__(self, nursery: Nursery, lifeline: Lifeline, folder: Path) -> None:
        self.nursery, self.lifeline, self.folder = nursery, lifeline, folder

    def plan(self, rules: Rules | None = None, keep: tuple[int, ...] = (), **settings: Any) -> ProcessPlan:
        argv, cwd = python_module("infants.child"), self.folder / "data"
        log = self.folder / "child.log"
        return ProcessPlan("child", "service", argv, cwd, log, keep_fds=keep, rules=rules, settings=settings)

    async def bear(self, plan: ProcessPlan) -> Any:
        environ = reduced_environment(os.environ)
        return await spawn(plan, self.lifeline, environ, (self.nursery,))

    async def said(self) -> dict[str, Any]:
        log = self.folder / "child.log"
        async with asyncio.timeout(30):
            while not log.exists() or "\n" not in log.read_text():
                await asyncio.sleep(0.01)
        found: dict[str, Any] = json.loads(log.read_text().splitlines()[0])
        return found


@pytest.fixture
async def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ward]:
    package = tmp_path / "code" / "infants"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("shared", ""), ("child", textwrap.dedent(PROGRAM))):
        (package / f"{name}.py").write_text(text)
    environ = reduced_environment(os.environ) | {"PYTHONPATH": str(package.parent)}
    nursery = await Nursery.start(["infants"], ["infants.shared"], tmp_path, tmp_path / "nursery.log", environ)
    lifeline = Lifeline()
    yield Ward(nursery, lifeline, tmp_path)
    lifeline.close()
    await nursery.close()
    assert (tmp_path / "nursery.log").read_text() == ""


async def test_who_is_born_has_what_a_start_of_its_own_would_have_given(ward: Ward) -> None:
    with (ward.folder / "kept").open("w") as kept:
        child = await ward.bear(ward.plan(keep=(kept.fileno(),), kept=kept.fileno()))
        said = await ward.said()
        assert await child.wait() == "exit code 0"
        assert said["kept"] == os.fstat(kept.fileno()).st_ino
    assert (said["pid"], said["session"], said["main"]) == (child.pid, child.pid, "__main__")
    assert (said["argv"], said["cwd"], said["in"]) == ("--settings-fd", str(ward.folder / "data"), os.devnull)
    assert said["preloaded"]
    assert said["parent"] == ward.nursery.pid
    assert said["open"] == 3 + 2  # the standard ones, the lifeline and what it keeps: nothing of its nursery's


@pytest.mark.parametrize(
    ("told", "end"), [({"code": 3}, "exit code 3"), ({"raise": True}, "exit code 1")], ids=["code", "exception"]
)
async def test_how_it_ends_is_told(ward: Ward, told: dict[str, Any], end: str) -> None:
    child = await ward.bear(ward.plan(**told))
    assert await child.wait() == end
    assert ("ValueError: as told" in (ward.folder / "child.log").read_text()) == ("raise" in told)


async def test_it_is_ended_like_any_other(ward: Ward) -> None:
    child = await ward.bear(ward.plan(wait=True))
    await ward.said()
    await child.end(20.0)
    assert await child.wait() == "signal SIGTERM"


async def test_it_holds_itself_to_its_rules(ward: Ward) -> None:
    rules = Rules(read=("/",), write=(str(ward.folder / "data"), "/dev/null"), home=str(ward.folder / "data"))
    child = await ward.bear(ward.plan(rules=rules))
    async with asyncio.timeout(30):
        said = await child.isolation()
    assert said.startswith(("enforced", "partial", "not enforced"))
    assert child.memory_fd is not None or said.startswith("not enforced")
    assert await child.wait() == "exit code 0"


async def test_when_the_nursery_is_gone_its_children_live_and_others_are_started(ward: Ward) -> None:
    first = await ward.bear(ward.plan(wait=True))
    await ward.said()
    assert ward.nursery.pid is not None
    os.kill(ward.nursery.pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        while ward.nursery.knows(ward.plan()):
            await asyncio.sleep(0.01)
    os.kill(first.pid, 0)
    first.kill()
    assert "unknown" in await first.wait()
    plan = ward.plan(code=4)
    second = await spawn(plan, ward.lifeline, dict(os.environ) | {"PYTHONPATH": str(ward.folder / "code")})
    assert await second.wait() == "exit code 4"


async def test_whoever_asks_when_it_ends_hears_that_there_is_none(ward: Ward) -> None:
    assert ward.nursery.pid is not None
    os.kill(ward.nursery.pid, signal.SIGSTOP)
    asked = asyncio.create_task(ward.nursery.bear(ward.plan(), [], [], 1, None))
    await asyncio.sleep(0)
    os.kill(ward.nursery.pid, signal.SIGKILL)
    with pytest.raises(NoNursery):
        await asyncio.wait_for(asked, 30)


async def test_it_knows_its_own_package_alone(ward: Ward) -> None:
    plan = ward.plan()
    assert ward.nursery.knows(plan)
    assert not ward.nursery.knows(ProcessPlan("x", "service", python_module("others.child"), plan.cwd, plan.log))
    assert not ward.nursery.knows(ProcessPlan("x", "service", ("node", "infants.child"), plan.cwd, plan.log))
    assert not ward.nursery.knows(ProcessPlan("x", "service", plan.argv, plan.cwd, plan.log, path="/elsewhere"))
