import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.control.supervisor.process import Lifeline, ask, describe, reduced_environment, spawn
from gateway.control.supervisor.program import ProcessPlan

SHOW = "import os, sys; print(sorted(os.environ), os.getsid(0) == os.getpid(), sys.argv[1:])"
READ = "import os, sys; print(len(os.fdopen(int(sys.argv[2])).read()))"

ECHO = """
import json, socket, sys
with socket.socket(fileno=int(sys.argv[2])) as line, line.makefile("rwb") as asked:
    asked.write(json.dumps({"heard": json.load(asked)}).encode())
"""


@pytest.fixture
async def lifeline() -> AsyncIterator[Lifeline]:
    line = Lifeline()
    yield line
    line.close()


def program(tmp_path: Path, code: str, settings: dict[str, Any] | None = None) -> ProcessPlan:
    argv = (sys.executable, "-c", code)
    return ProcessPlan("orders", "service", argv, tmp_path / "data", tmp_path / "log", settings=settings)


def test_only_what_is_needed_of_the_environment_is_passed_on() -> None:
    environ = {
        "PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "PYTHONPATH": "x", "OTEL_SERVICE_NAME": "shop",
        "AWS_SECRET_ACCESS_KEY": "s", "GATEHOUSE_REDIS_URL": "redis://:pw@h",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer s",
    }  # fmt: skip
    ours = {"PYDANTIC_DISABLE_PLUGINS"}
    assert set(reduced_environment(environ)) == {"PATH", "HOME", "LC_ALL", "PYTHONPATH", "OTEL_SERVICE_NAME"} | ours


def test_exit_codes_in_words() -> None:
    assert describe(3) == "exit code 3"
    assert describe(-9) == "signal SIGKILL"


async def test_a_child_has_its_own_session_and_no_secrets_in_its_arguments(tmp_path: Path, lifeline: Lifeline) -> None:
    child = await spawn(program(tmp_path, SHOW, {"password": "s3cret"}), lifeline, {"LANG": "C"})
    assert await child.wait() == "exit code 0"
    environment, own_session, arguments = (tmp_path / "log").read_text().strip().partition(" True ")
    assert own_session
    assert "LANG" in environment
    assert arguments.startswith("['--settings-fd', '")
    assert "s3cret" not in environment + arguments


async def test_settings_may_be_longer_than_a_pipe(tmp_path: Path, lifeline: Lifeline) -> None:
    child = await spawn(program(tmp_path, READ, {"variables": "x" * 500_000}), lifeline, {})
    assert await child.wait() == "exit code 0"
    assert int((tmp_path / "log").read_text()) > 500_000


async def test_a_child_that_never_reads_its_settings_holds_nothing_up(tmp_path: Path, lifeline: Lifeline) -> None:
    child = await spawn(program(tmp_path, "raise SystemExit(4)", {"variables": "x" * 500_000}), lifeline, {})
    assert await child.wait() == "exit code 4"


async def test_the_lifeline_ends_with_its_holder(tmp_path: Path) -> None:
    line = Lifeline()
    code = "import json, os, sys; os.read(json.load(os.fdopen(int(sys.argv[2])))['lifeline_fd'], 1); sys.exit(7)"
    child = await spawn(program(tmp_path, code, {}), line, {})
    line.close()
    assert await child.wait() == "exit code 7"


async def test_a_program_that_is_not_there_leaves_no_descriptor_open(tmp_path: Path, lifeline: Lifeline) -> None:
    absent = ProcessPlan("x", "service", ("/nonexistent",), tmp_path, tmp_path / "log", settings={})
    with pytest.raises(FileNotFoundError):  # the first start also opens the loop's own descriptors
        await spawn(absent, lifeline, {})
    before = os.dup(0)
    os.close(before)
    with pytest.raises(FileNotFoundError):
        await spawn(absent, lifeline, {})
    after = os.dup(0)
    os.close(after)
    assert after == before


async def test_a_stubborn_child_is_killed_after_its_grace(
    tmp_path: Path, lifeline: Lifeline, until: Callable[..., Any]
) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    child = await spawn(program(tmp_path, code), lifeline, {})
    await until(lambda: (tmp_path / "log").read_text() == "up\n")
    begun = time.monotonic()
    await child.end(grace=0.2)
    assert await child.wait() == f"signal {signal.SIGKILL.name}"
    assert 0.2 <= time.monotonic() - begun < 30  # by itself it would end after 60


async def test_grandchildren_end_with_their_parent(
    tmp_path: Path, lifeline: Lifeline, until: Callable[..., Any], alive: Callable[[int], bool]
) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid)"
    )
    child = await spawn(program(tmp_path, code), lifeline, {})
    await asyncio.wait_for(child.wait(), 5)
    grandchild = int((tmp_path / "log").read_text())
    await until(lambda: not alive(grandchild))


async def test_one_question_is_answered(tmp_path: Path) -> None:
    question = {"long": "x" * 300_000}  # longer than any buffer of a socket
    assert await ask(program(tmp_path, ECHO), question, {}) == {"heard": question}


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "print('no answer'); raise ValueError('why')"])
async def test_a_question_may_stay_without_an_answer(tmp_path: Path, code: str) -> None:
    assert await ask(program(tmp_path, code), {"long": "x" * 300_000}, {}) is None
