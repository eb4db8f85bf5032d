"""Confine this process, and say what came of it.

The problem: a host may lack all of it (macOS, an old kernel, a container that forbids it) or a part, and "it should
be isolated" is worth nothing. The rule: the process tries, the service runs in any case, and what is told is what the
kernel answered to this very process:

    enforced (Landlock 7)
    partial (Landlock 5): open are signals to any process of this user
    not enforced on this host: the kernel has no Landlock
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

# All of it now: once confined, this process may not read them any more.
from gateway.mesh.isolation import landlock, seccomp
from gateway.mesh.isolation.limits import close_memory, give_up_privileges, limit_resources
from gateway.mesh.isolation.rules import Rules

ENFORCED: Final = "enforced"
PARTIAL: Final = "partial"
NOT_ENFORCED: Final = "not enforced on this host"
UNFILTERED: Final = "Unix sockets, UDP, starting programs, modes of files"
"""What is open without seccomp.py."""
_WHY: Final = {
    errno.ENOSYS: "the kernel has no Landlock",
    errno.EOPNOTSUPP: "Landlock is switched off (see /sys/kernel/security/lsm)",
    errno.EPERM: "Landlock is forbidden here, as in some containers",
}
_kept: list[int] = []
"""Open for as long as the process: the kernel must not forget the folder of which a rule speaks."""


def confine(rules: Rules) -> str:
    """Restrict this process, and what it starts, to `rules`; there is no way back.

    Call it while there is one thread only. What is open already stays open.

    Returns:
        What is enforced, in words for people (see above); never what is only hoped for.
    """
    limit_resources(rules)
    _settle(rules)
    if sys.platform != "linux":
        return f"{NOT_ENFORCED}: {os.uname().sysname} has no Landlock"
    try:
        give_up_privileges()
        close_memory()
        abi = landlock.version()
        _kept.append(os.open("/proc/self", os.O_PATH | os.O_CLOEXEC))
        landlock.restrict(rules, abi)
    except OSError as error:
        _filter(rules)  # better than nothing, and not to be called isolation
        return f"{NOT_ENFORCED}: {_WHY.get(error.errno or 0, error.strerror or str(error))}"
    opened = [*landlock.lacks(abi), *([] if _filter(rules) else [UNFILTERED])]
    if opened:
        return f"{PARTIAL} (Landlock {abi}): open are {'; '.join(opened)}"
    return f"{ENFORCED} (Landlock {abi})"


def _filter(rules: Rules) -> bool:
    try:
        seccomp.install(programs=bool(rules.run), unix=rules.unix)
    except OSError:
        return False
    return True


def _settle(rules: Rules) -> None:
    """A place of its own for what is temporary, and how to find names."""
    if rules.home:
        temporary = Path(rules.home) / "tmp"
        temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ |= {"HOME": rules.home, "TMPDIR": str(temporary)}
    if rules.names:
        os.environ["RES_OPTIONS"] = f"{os.environ.get('RES_OPTIONS', '')} use-vc".strip()  # resolv.conf(5)
