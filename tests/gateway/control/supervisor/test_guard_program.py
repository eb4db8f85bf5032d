import signal
import subprocess
import sys
from pathlib import Path

from gateway.control.supervisor import guard_program
from gateway.control.supervisor.guard_program import read_children

SLEEPER = "import signal, time; {} print('up', flush=True); time.sleep(60)"


def sleeper(preparation: str = "") -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER.format(preparation)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def test_who_was_not_reported_as_ended_is_an_orphan() -> None:
    assert read_children(["+10 a\n", "+11 b c\n", "-10\n", "+12\n"]) == (
        {11: "b c", 12: ""},
        set(),
        False,
    )
    assert read_children(["+10 a\n", ".\n"]) == ({10: "a"}, set(), True)
    assert read_children(["~a\n", "~b\n", "!a\n"]) == ({}, {"b"}, False)


def test_orphans_end_when_the_pipe_ends_and_others_live() -> None:
    orphan, ended_before = sleeper(), sleeper()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(guard_program.__file__))], stdin=subprocess.PIPE
    ) as guard:
        assert guard.stdin
        guard.stdin.write(f"+{orphan.pid}\n+{ended_before.pid}\n-{ended_before.pid}\n".encode())
        guard.stdin.close()
        assert orphan.wait(5) == -signal.SIGTERM
        assert guard.wait(5) == 0
    assert ended_before.poll() is None
    ended_before.kill()
    ended_before.wait()


def test_a_stubborn_orphan_is_killed() -> None:
    stubborn = sleeper("signal.signal(signal.SIGTERM, signal.SIG_IGN);")
    guard_program.stop({stubborn.pid}, grace=0.1)
    assert stubborn.wait(5) == -signal.SIGKILL
