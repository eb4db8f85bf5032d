"""The launcher of confined processes: `python -P -m gateway.mesh.confined --rules-fd N -- COMMAND …`.

The problem: a program that confines itself has run before it does so, with its libraries and with its secrets. The
rule: this one stands before it, in the same process: it reads the rules from an inherited socket, applies them, says
there what came of it, closes it, and only then becomes the command: a Python module (`PYTHON -P -m MODULE …`, run
here, without a second process), or another program, which is executed in its place. Settings, with their secrets,
wait on a pipe of their own, which is not touched here.

`--probe` confines this process to nothing and prints what that gave: what `gatehouse doctor` asks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Sequence

from gateway.mesh.isolation.confine import confine
from gateway.mesh.isolation.rules import Rules

USAGE = "usage: python -P -m gateway.mesh.confined --rules-fd N -- COMMAND … | --probe"
MODULE = (sys.executable, "-P", "-m")


def main(arguments: Sequence[str]) -> None:
    """Be the command, confined; does not return, or raises what the module raises."""
    match list(arguments):
        case ["--probe"]:
            sys.stdout.write(f"{confine(Rules())}\n")
        case ["--rules-fd", number, "--", *command] if number.isdecimal() and command:
            confine_as_told(int(number), is_module=_is_module(command))
            _become(command)
        case _:
            sys.exit(USAGE)


def _is_module(command: Sequence[str]) -> bool:
    return len(command) > len(MODULE) and tuple(command[: len(MODULE)]) == MODULE


def confine_as_told(fd: int, *, is_module: bool) -> None:
    """Read the rules from an inherited socket, apply them to this process, and say there what came of it."""
    with socket.socket(fileno=fd) as line, line.makefile("rb") as told:
        rules = Rules.parse(told.read())
        # How much memory it uses can be asked only of a process whose memory is open (proc(5)), which this one's will
        # not be; what was opened before can be read on. An executed program's memory is another one.
        known = _open_memory_size() if is_module else []
        said = confine(rules)
        with contextlib.suppress(OSError):  # a killed supervisor hears nothing; the service goes on all the same
            socket.send_fds(line, [said.encode()], known)
        for one in known:
            os.close(one)


def _open_memory_size() -> list[int]:
    try:
        return [os.open("/proc/self/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)]
    except OSError:
        return []


def _become(command: Sequence[str]) -> None:
    if not _is_module(command):
        os.execv(command[0], list(command))  # noqa: S606  # no shell: that is the point
    import runpy

    module, *arguments = command[len(MODULE) :]
    sys.dont_write_bytecode = True  # its program's folder is not its to write
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
