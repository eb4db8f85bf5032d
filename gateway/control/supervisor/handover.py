"""What a supervisor leaves to its successor, should it be killed.

The problem: a supervisor that was killed cannot tell anybody what it knew: the plan of every process, ports,
listening sockets, secrets. Preparing anew would find another configuration, or ports that are in use by the very
processes that go on. The rule: all of it is written down beforehand, into a file without a name that only the
supervisor and its guard have open; the guard passes it on, with the sockets and the lock, to a successor that
starts nothing which runs already (guard_program).

Pickled, because it is a value of our own, from us to us, in a file that nobody else can open.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from gateway.control.supervisor import logs, redis_choice
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.guard import Successor
from gateway.control.supervisor.guard_program import TAKEN_OVER
from gateway.control.supervisor.preparation import Prepared
from gateway.control.supervisor.process import Lifeline
from gateway.control.supervisor.program import python_module
from gateway.control.supervisor.state_dir import own_lock

OFTEN, WITHIN = 3, 10.0
"""Who must take over so often in so many seconds ends everything instead: something kills supervisors."""


@dataclass(frozen=True)
class Handover:
    """An instance as it runs; descriptors keep their numbers from one supervisor to the next."""

    prepared: Prepared
    lifeline: Lifeline
    taken_over: tuple[float, ...] = ()
    """When supervisors took over, by the monotonic clock."""

    def again(self, now: float) -> Handover:
        """The same, taken over once more.

        Raises:
            CannotStart: that happens too often.
        """
        lately = [moment for moment in self.taken_over if now - moment < WITHIN]
        if len(lately) + 1 >= OFTEN:
            raise CannotStart(f"{OFTEN} supervisors in a row were killed within {WITHIN:g} s", exit_code=1)
        return replace(self, taken_over=(*self.taken_over, now))

    def successor(self, events_fd: int | None) -> Successor:
        """For a guard that is started now; `events_fd` is where progress is told, while somebody listens."""
        site = self.prepared.site
        site = replace(site, options=replace(site.options, events_fd=events_fd))
        with tempfile.TemporaryFile(dir=site.state.root, buffering=0) as file:
            file.write(pickle.dumps(replace(self, prepared=replace(self.prepared, site=site))))
            fd = os.dup(file.fileno())  # for the guard; ours is closed as soon as that has it
        kept = [fd, self.prepared.lock_fd, *site.descriptors(), self.lifeline.read_fd, self.lifeline.write_fd]
        kept += [one for one in (events_fd, site.options.foreground_fd) if one is not None]
        return Successor([*python_module("gateway.control.supervisor"), "--take-over", str(fd)], kept, close=(fd,))


def read(fd: int) -> Handover:
    """What a predecessor left."""
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        left = pickle.load(file)  # noqa: S301  # ours, see above
    assert isinstance(left, Handover)
    return left


def resume(left: Handover, stack: AsyncExitStack) -> None:
    """Hold what the predecessor held; the stack gives it back at the end, however soon that comes."""
    prepared, state = left.prepared, left.prepared.site.state
    own_lock(prepared.lock_fd)
    stack.callback(os.close, prepared.lock_fd)
    for file in (state.instance, state.supervisor_socket, state.control_socket):
        stack.callback(file.unlink, missing_ok=True)
    logs.log_to(state.log("supervisor"))
    redis_choice.release_at_end(prepared.foreign_redis, prepared.site.manifest, stack)
    for fd in prepared.site.descriptors():
        stack.callback(os.close, fd)


def say_taken_over(fd: int) -> None:
    """Tell the guard that started us that it can go."""
    os.write(fd, TAKEN_OVER)
    os.close(fd)
