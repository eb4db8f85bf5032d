"""How much a confined process may use, and what it gives up for good.

Memory is bounded as data (RLIMIT_DATA: private and writable), not as addresses (RLIMIT_AS): Python, uvloop and V8
reserve far more addresses than they use. RLIMIT_NPROC would count all processes of the user; who may start none at
all (seccomp.py) needs no such limit, and a thread's stack counts as data.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import sys
from typing import Final

from gateway.mesh.isolation.rules import Rules
from gateway.mesh.isolation.system import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, libc, prctl

MIB: Final = 1_048_576
CAPABILITIES_V3: Final = 0x2008_0522
CAP_DAC_OVERRIDE: Final = 1
"""All that root keeps: files of another user, without which it could not read a checkout that belongs to somebody."""


def limit_resources(rules: Rules) -> None:
    """Set soft and hard limits; those that are lower already stay."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: rules.open_files,
        resource.RLIMIT_FSIZE: rules.file_mib * MIB,
    }
    if sys.platform == "linux":
        wanted |= {resource.RLIMIT_DATA: rules.memory_mib * MIB, resource.RLIMIT_MSGQUEUE: 0}
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows maxima of its own
            resource.setrlimit(kind, (value, value))


def give_up_privileges() -> None:
    """No set-user-id program helps any more, and root is nobody special (Linux).

    Raises:
        OSError: the kernel refuses.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the lower halves, then the upper ones
    failed = libc.capget(header, sets)
    kept = sets[1] & 1 << CAP_DAC_OVERRIDE
    sets[:] = [kept, kept, 0, 0, 0, 0]
    if failed or libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def close_memory() -> None:
    """Other processes of this user, debuggers too, can no longer look into this one: it holds keys (Linux).

    Raises:
        OSError: the kernel refuses.
    """
    prctl(PR_SET_DUMPABLE, 0)
