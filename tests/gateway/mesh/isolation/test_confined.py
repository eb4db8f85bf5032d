"""The launcher in processes of its own, on hosts that enforce, and on such as a container makes: by a real filter."""

from __future__ import annotations

import ast
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.control.supervisor.confinement import LOADERS, SYSTEM, find_code
from gateway.mesh.isolation.rules import Rules

MODULE = "planted"
PYTHON = (sys.executable, "-P", "-m")
LAUNCH = (*PYTHON, "gateway.mesh.confined")
POORER = """
import ctypes, os, struct, sys
from gateway.mesh.isolation import seccomp, system
from gateway.mesh.isolation.seccomp import ALLOW, ERRNO, JUMP_EQUAL, LOAD, RETURN
number, argument, answer, *command = sys.argv[1:]
code = [(LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 3, int(number)), (LOAD, 0, 0, 16), (JUMP_EQUAL, 0, 1, int(argument)),
        (RETURN, 0, 0, ERRNO | int(answer)), (RETURN, 0, 0, ALLOW)]
seccomp.program = lambda *_, **__: code
system.prctl(38, 1)
seccomp.install(programs=True)
os.execv(command[0], command)
"""
PRCTL, LANDLOCK_CREATE_RULESET = {"x86_64": 157, "aarch64": 167}.get(os.uname().machine, 0), 444


class Ran(NamedTuple):
    report: str
    code: int
    said: str


Run = Callable[..., Ran]


def launch(rules: Rules | bytes, command: Sequence[str], before: Sequence[str] = (), folder: Path | None = None) -> Ran:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(rules if isinstance(rules, bytes) else rules.dump())
        ours.shutdown(socket.SHUT_WR)
        words = [*before, *LAUNCH, "--rules-fd", str(theirs.fileno()), "--", *command]
        environ = {**os.environ, "PYTHONPATH": str(folder or "")}
        process = subprocess.Popen(
            words, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
        )
        theirs.close()
        said, _ = process.communicate(timeout=30)
        report, *_ = socket.recv_fds(ours, 1024, 1)
        return Ran(report.decode(), process.returncode, said)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a text as the module of a confined process."""

    def run(text: str, *arguments: str, before: Sequence[str] = (), rules: Rules | None = None) -> Ran:
        (tmp_path / f"{MODULE}.py").write_text(text)
        code = find_code([], {})
        own = Rules(
            read=(*SYSTEM, *code.read, str(tmp_path / f"{MODULE}.py")), listed=(*code.listed, str(tmp_path)),
            write=(str(tmp_path / "data"), "/dev/null"), home=str(tmp_path / "data"),
        )  # fmt: skip
        return launch(rules or own, [*PYTHON, MODULE, *arguments], before, tmp_path)

    return run


@pytest.fixture(scope="session")
def enforced() -> None:
    """Skips, where this host does not enforce everything."""
    said = subprocess.run([*LAUNCH, "--probe"], capture_output=True, text=True, check=True).stdout.strip()
    if not said.startswith("enforced"):
        pytest.skip(said)


def poorer(number: int, argument: int, answer: int) -> list[str]:
    """A command before the launcher: here one system call fails, as in some containers or on an older kernel."""
    return [sys.executable, "-c", POORER, str(number), str(argument), str(answer)]


def test_the_module_runs_in_the_same_process_with_its_arguments(run: Run) -> None:
    ran = run(
        "import os, sys; print(__name__, sys.argv[1:], os.getpid() == os.getpgrp() or True)", "--settings-fd", "7"
    )
    assert (ran.code, ran.said) == (0, "__main__ ['--settings-fd', '7'] True\n")


def test_nothing_of_the_module_runs_before_it_is_confined(run: Run, enforced: None, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    ran = run(f"print(open({str(tmp_path / 'secret')!r}).read())")
    assert ran.code == 1
    assert "PermissionError: [Errno 13]" in ran.said


def test_the_module_cannot_speak_on_the_line(run: Run) -> None:
    ran = run("import os, sys; os.write(int(sys.argv[1]), b'enforced (Landlock 99)')", "9")
    assert "99" not in ran.report
    text = "import os, stat; print(sum(stat.S_ISSOCK(os.fstat(fd).st_mode) for fd in range(20) if is_open(fd)))"
    is_open = "import os\ndef is_open(fd):\n    try: return bool(os.fstat(fd))\n    except OSError: return False\n"
    assert run(is_open + text).said == "0\n"


@pytest.mark.parametrize("rules", [b"", b"{}x", b'{"read": ["/"], "everything": true}'])
def test_without_rules_nothing_starts(rules: bytes) -> None:
    ran = launch(rules, [*PYTHON, "this"])
    assert ran.code == 1
    assert ran.report == ""
    assert "Beautiful" not in ran.said


def test_wrong_usage() -> None:
    used = subprocess.run([*LAUNCH, "--rules-fd", "x"], capture_output=True, text=True, check=False)
    assert (used.returncode, used.stderr.startswith("usage:")) == (1, True)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (errno.ENOSYS, "the kernel has no Landlock"),
        (errno.EOPNOTSUPP, "Landlock is switched off (see /sys/kernel/security/lsm)"),
        (errno.EPERM, "Landlock is forbidden here, as in some containers"),
    ],
)
def test_where_there_is_no_landlock_the_service_starts_and_says_so(
    run: Run, enforced: None, answer: int, why: str
) -> None:
    ran = run("print(open('/etc/passwd').read(4))", before=poorer(LANDLOCK_CREATE_RULESET, 0, answer))
    assert (ran.code, ran.said) == (0, "root\n")
    assert ran.report == f"not enforced on this host: {why}"


def test_where_calls_cannot_be_filtered_isolation_is_partial(run: Run, enforced: None) -> None:
    ran = run("import socket; socket.socket(socket.AF_UNIX); print('open')", before=poorer(PRCTL, 22, errno.EPERM))
    assert (ran.code, ran.said) == (0, "open\n")
    assert ran.report.startswith("partial (Landlock ")
    assert ran.report.endswith("): open are Unix sockets, UDP, starting programs, modes of files")


def test_limits_are_set_and_stay(run: Run) -> None:
    text = (
        "import resource as r\n"
        "for kind in (r.RLIMIT_NOFILE, r.RLIMIT_CORE, r.RLIMIT_FSIZE): print(r.getrlimit(kind))\n"
        "try: r.setrlimit(r.RLIMIT_NOFILE, (4096, 4096))\n"
        "except ValueError: print('for good')\n"
    )
    lines = run(text).said.splitlines()
    assert lines == ["(2048, 2048)", "(0, 0)", "(1073741824, 1073741824)", "for good"]


def test_an_executed_program_and_what_it_starts_keep_the_rules(enforced: None, tmp_path: Path) -> None:
    """Redis and programs in other languages: they may fork; nobody in the family gets more than the first had."""
    (tmp_path / "secret").write_text("the secret")
    (tmp_path / "own").mkdir()
    shell, cat, own = os.path.realpath("/bin/sh"), os.path.realpath("/bin/cat"), tmp_path / "own" / "told"
    script = f"""
        cat {tmp_path}/secret; echo "direct $?"
        (setsid sh -c 'sleep 0.1; cat {tmp_path}/secret 2> {own}.error; echo "reparented $?" > {own}' &)
        echo written > {tmp_path}/secret; echo "write $?"
        kill -0 {os.getpid()}; echo "signal $?"
    """
    programs = (shell, cat, *(os.path.realpath(f"/usr/bin/{name}") for name in ("setsid", "sleep")), *LOADERS)
    rules = Rules(read=SYSTEM, write=(str(tmp_path / "own"), "/dev/null"), run=programs)
    ran = launch(rules, [shell, "-c", script])
    assert ran.report.startswith("enforced")
    assert [line for line in ran.said.splitlines() if line[-1:].isdigit()] == ["direct 1", "write 2", "signal 1"]
    end = time.monotonic() + 10
    while not (own.exists() and own.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    assert own.read_text() == "reparented 1\n"
    assert "Permission denied" in Path(f"{own}.error").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities")
def test_root_is_nobody_special(run: Run) -> None:
    text = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNew'))])"
    inherited, permitted, effective, _, ambient, no_new = ast.literal_eval(run(text).said)
    assert (int(inherited, 16), int(ambient, 16), no_new) == (0, 0, "1")
    assert int(permitted, 16) == int(effective, 16)
    assert int(effective, 16) in (0, 1 << 1)  # CAP_DAC_OVERRIDE, for root


LOOK = """
import os, sys
if os.geteuid() == 0: os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)
for file in ("environ", "smaps_rollup", "mem"):
    try: print(file, len(os.pread(os.open(f"/proc/{sys.argv[1]}/{file}", os.O_RDONLY), 1, 0)))
    except PermissionError: print(file, "denied")
    except OSError: print(file, "open")
"""
SIT = """
import ctypes, os, sys
from gateway.mesh.isolation.limits import close_memory
from gateway.mesh.isolation.system import prctl
if os.geteuid() == 0: os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3); prctl(4, 1)
opened = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
if sys.argv[1] == "closed": close_memory()
print(os.getpid(), flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
@pytest.mark.parametrize("memory", ["closed", "open"])
def test_memory_is_closed_to_other_processes_of_the_same_user(memory: str) -> None:
    """As an ordinary user, since root may look anywhere; what was opened before is read on by whoever got it."""
    with subprocess.Popen(
        [sys.executable, "-c", SIT, memory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sitting:
        assert sitting.stdout
        assert sitting.stdin
        pid = int(sitting.stdout.readline())
        looked = subprocess.run([sys.executable, "-c", LOOK, str(pid)], capture_output=True, text=True, check=True)
        seen = dict(line.split() for line in looked.stdout.splitlines())
        sitting.stdin.close()
        assert sitting.wait() == 0
    assert set(seen) == {"environ", "smaps_rollup", "mem"}
    if memory == "closed":
        assert set(seen.values()) == {"denied"}
    else:
        assert seen["environ"] != "denied"


def test_a_killed_supervisor_hears_nothing_and_the_service_goes_on(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    words = [*LAUNCH, "--rules-fd", str(theirs.fileno()), "--", *PYTHON, "this"]
    process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True)
    theirs.close()
    code = find_code([], {})
    ours.sendall(Rules(read=(*SYSTEM, *code.read), listed=code.listed, write=("/dev/null",)).dump())
    ours.close()
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, signal.strsignal(-process.returncode)
    assert "Beautiful" in said
