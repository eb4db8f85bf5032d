"""Starting, answering and ending an incident, for the command line and for the self-check."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.cli.console import Failure, Misuse, no_such
from gateway.cli.instance import Instance
from gateway.control.supervisor.process import reduced_environment
from gateway.control.supervisor.program import python_module
from gateway.control.supervisor.state_dir import StateDir
from scenarios.incidents import case as cases
from scenarios.incidents.bench import Bench, forget
from scenarios.incidents.case import Answers, Case
from scenarios.incidents.catalogue import catalogue
from scenarios.incidents.director import GO, Order, restore
from scenarios.incidents.model import CAUSES, Incident, Judgement, judge
from scenarios.lab import lock
from scenarios.lab.target import Target

DIRECTOR = "scenarios.incidents.director"
WARM = 5.0
"""Seconds of load before the fault."""
BEGINS_WITHIN = 125.0
ENDS_WITHIN = 150.0
OTHERS = ("gateway", "partner", "redis", "control", "authority")
"""Parts that can be answered besides the services."""


# -- start ---------------------------------------------------------------------------------------------------


def start(
    instance: Instance, incident: Incident, *, surprise: bool = False, seconds: float = 1_800.0, warm: float = WARM
) -> Case:
    """Begin; returns when the fault is in.

    Raises:
        Misuse: it needs a mesh, or the instance is changed already.
        Failure: another lab is at work; or the fault could not be planted, and everything is as before.
    """
    check(instance, incident)
    fd = lock.take(instance.state_dir)
    try:
        clean(instance)
        check_defended(instance)
        forget(instance.state_dir)
        process = _launch(instance, Order(str(instance.state_dir), incident.id, surprise, seconds, warm, fd))
    finally:
        os.close(fd)
    return _until_begun(instance, process)


def check(instance: Instance, incident: Incident) -> None:
    """Whether this instance can have that incident.

    Raises:
        Misuse: it cannot.
    """
    if instance.architecture not in ("gateway", "mesh"):
        raise Misuse(f"Incidents need the gateway: this is the architecture {instance.architecture}.")
    if "profiles" not in instance.ports:
        raise Misuse("Incidents are about the shop.", "Start it with: gatehouse up --detach")
    if incident.architecture == "mesh" and not instance.authority_socket:
        raise Misuse(f"{incident.id} is about the mesh.", "Start one: gatehouse up --mesh --detach")


def check_defended(instance: Instance) -> None:
    """Whether nobody has changed it: two faults at once teach nothing.

    Raises:
        Misuse: somebody has.
    """
    override = instance.admin("GET", "/config").get("override")
    changed = [*Target(instance).broken(), *([override["why"]] if override else [])]
    if changed:
        raise Misuse(f"This instance is weakened already ({', '.join(changed)}).", "Take it back: gatehouse lab reset")


def possible(instance: Instance) -> list[Incident]:
    """Those that this instance can have."""
    return [one for one in catalogue().values() if one.architecture == "any" or instance.authority_socket]


def clean(instance: Instance) -> bool:
    """Undo what a killed incident has left; whether there was something. The lock must be held."""
    bench = Bench(instance)
    if not bench.dirty:
        return False
    restore(bench, instance.state_dir)
    return True


def _launch(instance: Instance, order: Order) -> subprocess.Popen[bytes]:
    with StateDir(instance.state_dir).log("incident").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            python_module(DIRECTOR), stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=(order.lock_fd,),
            cwd="/", start_new_session=True, env=reduced_environment(os.environ),
        )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(order.line())
    process.stdin.flush()
    return process


def _until_begun(instance: Instance, process: subprocess.Popen[bytes]) -> Case:
    assert process.stdin is not None
    try:
        found = _wait(instance, lambda one: one.phase != "warming" or process.poll() is not None, BEGINS_WITHIN)
        if found is not None and found.phase == "running":
            process.stdin.write(GO)
            process.stdin.flush()
            threading.Thread(target=process.wait, daemon=True).start()  # it may outlive us, or we it
            return found
    except KeyboardInterrupt:
        end(instance)
        process.wait()
        raise
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()  # without "go" it is the sign to put everything back
    end(instance)
    process.wait()
    raise Failure("The incident did not begin, and all is as before.", found.why if found else "Its process has ended.")


def _wait(instance: Instance, enough: Callable[[Case], bool], within: float) -> Case | None:
    """The facts, as soon as they are so; as they are when the time is over."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = cases.load(instance.state_dir)
        if found is not None and enough(found):
            return found
        time.sleep(0.1)
    return cases.load(instance.state_dir)


def wait_visible(instance: Instance, within: float) -> Case:
    """Wait until the fault shows in the metrics.

    Raises:
        Failure: it does not, in time.
    """
    found = _wait(instance, lambda one: one.visible is not None or one.phase != "running", within)
    if found is None or found.visible is None:
        came_to = "" if found is None else f" The signal came to {found.peak}; {found.why or found.phase}."
        raise Failure(f"Not visible within {within:g} s.{came_to}")
    return found


# -- answer --------------------------------------------------------------------------------------------------


def current(state_dir: Path) -> Case:
    """The incident that runs.

    Raises:
        Failure: none does.
    """
    found = cases.load(state_dir)
    if found is None or found.phase != "running" or not lock.is_taken(state_dir):
        raise Failure("No incident runs.", "Start one: gatehouse incident start --surprise")
    return found


def answer(instance: Instance, service: str, cause: str) -> Judgement:
    """Judge an answer, and keep it.

    Raises:
        Failure: no incident runs.
        Misuse: there is no such service or cause.
    """
    running, given = current(instance.state_dir), Answers.of(instance.state_dir)
    service = service.removesuffix("-sidecar")
    _must_be(service, parts(instance), "part of the shop")
    _must_be(cause, tuple(CAUSES), "cause")
    wrong = sum(not one.right for one in given.given)
    judged = judge(catalogue()[running.id], service, cause, wrong, time.time())
    given.add(judged)
    return judged


def parts(instance: Instance) -> tuple[str, ...]:
    """What can be answered as the service."""
    told = instance.supervisor({"do": "ps"})["processes"]
    services = [one["service"] for one in told if one["kind"] == "service" and one["name"] == one["service"]]
    return tuple(dict.fromkeys([*services, *OTHERS]))


def _must_be(word: str, known: tuple[str, ...], what: str) -> None:
    if word not in known:
        raise no_such(what, word, known, f"One of: {', '.join(known)}")


# -- end -----------------------------------------------------------------------------------------------------


def end(instance: Instance) -> Case | None:
    """End what runs and put everything back; the facts, if there are any.

    Raises:
        Failure: something could not be undone.
    """
    directory = instance.state_dir
    deadline = time.monotonic() + ENDS_WITHIN
    cases.ask_to_stop(directory)
    while True:
        try:
            fd = lock.take(directory)
        except Failure:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            break
    try:
        clean(instance)
    finally:
        os.close(fd)
    found = cases.load(directory)
    if found is not None and found.phase not in ("ended", "failed"):
        found.phase, found.ended, found.why = "ended", time.time(), "the incident's processes were killed"
    if found is not None:
        found.phase = "ended"  # what had failed has just been undone, or `clean` would have said so
        found.save(directory)
    return found
