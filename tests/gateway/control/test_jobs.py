"""What the console runs: bounded, told line by line, and ended as by Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.control import jobs as module
from gateway.control.commands import COMMANDS, ID, Command
from gateway.control.jobs import MAX_KEPT, Job, Jobs
from gateway.control.problems import Problem

TIDY = """
import sys, time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    open(sys.argv[1], "w").write("taken back")
"""
DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("begun", flush=True)
time.sleep(60)
"""


@pytest.fixture
def python(tmp_path: Path) -> Jobs:
    """Jobs that run Python with the words as its arguments."""
    return Jobs(tmp_path, (sys.executable, "-c"))


async def begun(jobs: Jobs, program: str, *words: str, seconds: float = 30.0) -> Job:
    job = jobs.start("test", [program, *words], seconds)
    await job.news(0, 20)
    return job


async def test_what_is_printed_is_told_line_by_line(python: Jobs) -> None:
    job = await begun(python, "import sys; print('one', flush=True); sys.stdin.readline(); print('two'); sys.exit(3)")
    assert (job.lines, job.state) == (["one"], "running")
    job.step()
    await job.ended()
    assert (job.lines, job.state, job.exit_code) == (["one", "two"], "done", 3)
    with pytest.raises(Problem, match="ended"):
        job.step()


async def test_a_job_is_ended_as_by_ctrl_c(python: Jobs, tmp_path: Path) -> None:
    job = await begun(python, TIDY, str(tmp_path / "trace"))
    await python.cancel(job)
    assert job.state == "cancelled"
    assert (tmp_path / "trace").read_text() == "taken back"


async def test_what_takes_too_long_is_ended(python: Jobs) -> None:
    job = python.start("test", ["import time; time.sleep(60)"], 0.5)
    await job.ended()
    assert (job.state, job.exit_code) == ("overdue", None)
    assert job.process is not None
    assert job.process.returncode is not None


async def test_enter_may_be_pressed_before_it_has_started(python: Jobs) -> None:
    job = python.start("test", ["import sys; print(repr(sys.stdin.readline()))"], 30)
    job.step()
    await job.ended()
    assert job.lines == ["'\\n'"]


async def test_what_waits_for_people_is_ended_when_nobody_looks(python: Jobs) -> None:
    job = python.start("test", ["import time; time.sleep(60)"], 1.0, attended=True)
    for _ in range(5):
        await job.news(0, 0.3)
        job.attend()
    assert job.state == "running"
    await job.ended()
    assert job.state == "overdue"


async def test_who_does_not_hear_is_killed(python: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.1)
    job = await begun(python, DEAF)
    await python.stop()
    assert job.state == "cancelled"
    assert job.process is not None
    assert job.process.returncode == -9


async def test_few_at_a_time(python: Jobs) -> None:
    for _ in range(module.MAX_RUNNING):
        python.start("test", ["import time; time.sleep(60)"], 60)
    with pytest.raises(Problem, match="run already"):
        python.start("test", ["pass"], 60)
    await python.stop()


async def test_output_is_bounded(python: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    job = await begun(python, "print('x' * 60); print('y' * 60); print('z' * 500); print('end')")
    await job.ended()
    assert (job.lines, job.truncated, job.exit_code) == (["x" * 60], True, 0)


async def test_the_latest_are_kept_and_the_newest_of_each(python: Jobs) -> None:
    python.start("rare", ["print(1)"], 60)
    for _ in range(MAX_KEPT + 3):
        await python.start("often", ["pass"], 60).ended()
    kept = [job.command for job in python.all.values()]
    assert (len(kept), kept.count("rare")) == (MAX_KEPT, 1)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, (str(tmp_path / "none"),))
    with pytest.raises(Problem, match="No such file"):
        await jobs.printed([], 5)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"scenario": "api1-bola"}, None),
        ({}, "scenario is not of the form"),
        ({"scenario": "--help"}, "scenario is not of the form"),
        ({"scenario": "a b"}, "scenario is not of the form"),
        ({"scenario": "a; rm"}, "scenario is not of the form"),
        ({"scenario": "{words}"}, "scenario is not of the form"),
        ({"scenario": "api1-bola", "more": "x"}, "there is no more"),
    ],
)
def test_arguments_are_of_their_form(given: dict[str, str], problem: str | None) -> None:
    command = Command("lab break -- {scenario}", forms={"scenario": ID})
    if problem is None:
        assert command.line(given) == ["lab", "break", "--", "api1-bola"]
        return
    with pytest.raises(Problem, match=problem):
        command.line(given)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_table_is_one_of_gatehouse(name: str) -> None:
    """The words before the arguments lead to a command, and its options are known there."""
    from click.testing import CliRunner

    from gateway.cli.main import cli

    words = [word for word in COMMANDS[name].words.split() if word != "--" and "{" not in word]
    told = CliRunner().invoke(cli, [*(word for word in words if not word.startswith("-")), "--help"])
    assert told.exit_code == 0, told.output
    for option in (word for word in words if word.startswith("-")):
        assert option in told.output


async def test_the_console_begins_follows_and_ends_a_job(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance.plane.jobs, "_program", (sys.executable, "-c", "import sys; print(sys.argv[1:])"))
    job = await instance.post("/jobs", {"command": "lab-break", "arguments": {"scenario": "api1-bola"}}, status=202)
    assert job["line"] == "gatehouse lab break api1-bola"
    await instance.plane.jobs.get(job["id"]).ended()
    told = await instance.authorized(f"/jobs/{job['id']}")
    assert (told["state"], told["output"]) == ("done", ["['lab', 'break', '--', 'api1-bola']"])
    assert [one["id"] for one in (await instance.authorized("/jobs"))["jobs"]] == [job["id"]]
    wrong = [
        ({"command": "rm"}, 404, "no_such_command"),
        ({"command": "lab-break"}, 422, "invalid_argument"),
        ({"command": "lab-break", "arguments": {"scenario": 5}}, 422, "invalid_body"),
        ({"command": "lab-reset", "words": ["up"]}, 422, "invalid_body"),
    ]
    for body, status, reason in wrong:
        assert (await instance.post("/jobs", body, status=status))["reason"] == reason
    assert (await instance.get("/jobs", status=401))["reason"] == "secret_required"
    assert (await instance.get(f"/jobs/{job['id']}", status=401))["reason"] == "secret_required"


async def test_the_catalogue_is_asked_for_once(instance: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counting = f"open({str(tmp_path / 'asked')!r}, 'a').write('x'); print('[1, 2]')"
    monkeypatch.setattr(instance.plane.jobs, "_program", (sys.executable, "-c", counting))
    for _ in range(2):
        assert await instance.get("/lab/scenarios") == {"scenarios": [1, 2]}
    assert (tmp_path / "asked").read_text() == "x"


async def test_a_reset_that_fails_is_told(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance.plane.jobs, "_program", (sys.executable, "-c", "print('DEFENDED')"))
    assert (await instance.post("/lab/reset"))["output"] == ["DEFENDED"]
    monkeypatch.setattr(instance.plane.jobs, "_program", (sys.executable, "-c", "raise SystemExit('Another lab')"))
    assert (await instance.post("/lab/reset", status=503))["detail"] == "Another lab"
