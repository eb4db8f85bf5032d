"""The nursery: a process that has loaded a program's libraries, and forks whoever is to run it.

    python -P -m gateway.mesh.nursery --line-fd N --preload MODULE …

The problem: a mesh is twenty processes of two programs (the data plane's, and what the services share), and each took
0.7 s of CPU time to load it, and 45 MiB to keep it. The rule: each is loaded once, here; a fork takes milliseconds, and
what nobody changes lies in memory once (Android's zygote does the same). Whoever is born gets what it would have got by
a start of its own: a session, a log, settings on a pipe, its descriptors under the numbers that its settings name, and
its rules, which it applies to itself before anything else (gateway.mesh.confined). There are no threads, no loop and no
secrets here, so nothing of this process lives on in a child but what was loaded.

Asked on the line, a SOCK_SEQPACKET socket: {"module", "arguments", "cwd", "fds": their numbers, "rules_fd"} with the
descriptors. Said: {"born": pid}, and later {"ended": pid, "code": exit code, negative for a signal}. When the line
ends, so does the nursery; its children go on.

What it costs: children of one nursery have the same addresses in memory; libraries are loaded before a child is held to
its rules; and a program that was changed on disk is the old one until the nursery starts anew.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from gateway.mesh.confined import confine_as_told

LONGEST: Final = 65_536
MOST_FDS: Final = 250
"""The kernel passes 253 at once (SCM_MAX_FD)."""
ASIDE: Final = 64
"""Descriptors are put here first, or behind the last number that is wanted: none overwrites another on its way."""


def main(arguments: Sequence[str]) -> None:
    """Load everything, then serve the line until it ends."""
    parser = argparse.ArgumentParser(prog="gateway.mesh.nursery")
    parser.add_argument("--line-fd", type=int, required=True)
    parser.add_argument("--preload", nargs="*", default=[])
    told = parser.parse_args(arguments)
    for module in told.preload:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that no collection in a child writes to what all of them share
    serve(socket.socket(fileno=told.line_fd))


def serve(line: socket.socket) -> None:
    """Bear who is asked for; tell who has ended."""
    woken, wake = os.pipe()
    for fd in (woken, wake):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with select.epoll() as poll:
        for fd in (line.fileno(), woken):
            poll.register(fd, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == woken:
                    os.read(woken, 4_096)
                elif not _asked(line):
                    return
            _tell_ends(line)


def _asked(line: socket.socket) -> bool:
    """Answer one question; False when there will be no other."""
    data, fds, _, _ = socket.recv_fds(line, LONGEST, MOST_FDS)
    if not data:
        return False
    question: dict[str, Any] = json.loads(data)
    pid = os.fork()
    if not pid:
        _live(question, fds)
    for fd in fds:
        os.close(fd)
    _say(line, {"born": pid})
    return True


def _tell_ends(line: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):  # no children left
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _say(line, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(line: socket.socket, message: dict[str, int]) -> None:
    with contextlib.suppress(OSError):  # a killed supervisor hears nothing
        line.send(json.dumps(message).encode())


def _live(question: dict[str, Any], fds: Sequence[int]) -> NoReturn:
    """From here on we are the child; does not return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        place(fds, question["fds"])
        os.chdir(question["cwd"])
        module = question["module"]
        sys.argv[:] = [module, *question["arguments"]]
        if question["rules_fd"] is not None:
            confine_as_told(question["rules_fd"], is_module=True)
            sys.dont_write_bytecode = True
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # the log must have it, as with any process
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def place(fds: Sequence[int], numbers: Sequence[int]) -> None:
    """Let these descriptors have these numbers, and no other be open but standard input, which is empty."""
    behind = max(ASIDE, *numbers, *fds) + 1
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD, behind) for fd in fds]
    os.closerange(3, behind)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    for fd, number in zip(aside, numbers, strict=True):
        os.dup2(fd, number)
        os.close(fd)


if __name__ == "__main__":
    main(sys.argv[1:])
