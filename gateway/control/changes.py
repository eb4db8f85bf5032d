"""Saying in words what a reload changed, and why a change is refused."""

from __future__ import annotations

from gateway.control.revision import Revision
from gateway.spec.errors import SpecErrors

MAX_ERRORS = 50


def describe(broken: SpecErrors) -> list[str]:
    """One text per mistake, each with file, line and column."""
    return [str(error) for error in broken.errors[:MAX_ERRORS]]


def listener_change(old: Revision, new: Revision) -> str:
    """Why another set of listeners is refused: the supervisor bound the sockets when it started."""
    gone, come = old.sockets() - new.sockets(), new.sockets() - old.sockets()
    words = [f"-{name} {address}:{port}" for name, address, port in sorted(gone)]
    words += [f"+{name} {address}:{port}" for name, address, port in sorted(come)]
    return f"listeners changed ({', '.join(words)}): needs a restart"


def worker_change(old: Revision, new: Revision) -> list[str]:
    """A hint when a setting was accepted that only a restart brings into effect."""
    before, after = old.spec.get("workers"), new.spec.get("workers")
    return [] if before == after else [f"workers: {before} → {after} takes effect after a restart"]
