"""Landlock: what this process, and all that come of it, may reach (landlock(7), Linux 5.13 and newer).

The problem: all processes of one user may open each other's files, connect to each other's ports and read each
other's memory. The rule: a ruleset names what is handled, which is everything that the kernel knows of; then what is
allowed; then the process restricts itself, for ever, without any privilege. Root is bound by it, too.

A kernel knows a part, by the number of its ABI; what a later one would add is told by `lacks`. What no ABI up to 7
handles is refused in another way (seccomp.py): Unix sockets with a path, UDP, TCP under the name of MPTCP or by TCP
Fast Open, and changes of a file's mode, owner, times or attributes.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from typing import Final

from gateway.mesh.isolation.rules import Rules
from gateway.mesh.isolation.system import call

CREATE_RULESET: Final = 444
"""The same numbers on every architecture."""
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
ASK_VERSION: Final = 1
PATH_BENEATH: Final = 1
NET_PORT: Final = 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, REFER, TRUNCATE, IOCTL_DEV = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
FIRST: Final = (1 << 13) - 1
"""What the first ABI handles: files and folders opened, made, executed and removed; devices, sockets, links made."""
FILE_ONLY: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""The rights that a rule on something else than a folder may name."""
READ: Final = READ_FILE | READ_DIR
CHANGE: Final = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER
"""No links, sockets or devices: others, not confined, look into these folders."""
BIND_TCP, CONNECT_TCP = 1, 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2

LACKS: Final = (
    (3, "cutting off any file"),
    (4, "all TCP ports"),
    (6, "signals to any process of this user"),
)
"""Below which ABI what stays open."""


class _Attributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def version() -> int:
    """The kernel's ABI.

    Raises:
        OSError: it has none (ENOSYS), or it is switched off (EOPNOTSUPP), or this place forbids asking.
    """
    return call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))


def lacks(abi: int) -> list[str]:
    """What that ABI leaves open."""
    return [what for since, what in LACKS if abi < since]


def restrict(rules: Rules, abi: int) -> None:
    """Restrict this thread and whatever it starts to what `rules` allow. There is no way back.

    `no_new_privs` must be set.

    Raises:
        OSError: refused by the kernel; nothing is restricted then.
    """
    files = _handled(abi)
    network = 0
    if abi >= 4:
        network = BIND_TCP * (rules.bind is not None) | CONNECT_TCP * (rules.connect is not None)
    scoped = ABSTRACT_SOCKETS | SIGNALS if abi >= 6 else 0
    attributes = _Attributes(files, network, scoped)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = call(CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        _allow_files(ruleset, rules, files)
        for right, ports in ((BIND_TCP, rules.bind), (CONNECT_TCP, rules.connect)):
            for port in (ports or ()) if network & right else ():
                _add(ruleset, NET_PORT, _NetPort(right, port))
        call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    later = ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
    return FIRST | sum(right for since, right in later if abi >= since)


def _allow_files(ruleset: int, rules: Rules, handled: int) -> None:
    kinds: tuple[tuple[Iterable[str], int], ...] = (
        (rules.read, READ), (rules.listed, READ_DIR), (rules.write, CHANGE), (rules.run, READ | EXECUTE),
    )  # fmt: skip
    for paths, rights in kinds:
        for path in paths:
            _allow_path(ruleset, path, rights & handled)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this system: then there is nothing to allow
        return
    try:
        rights &= -1 if stat.S_ISDIR(os.fstat(fd).st_mode) else FILE_ONLY
        if rights:
            _add(ruleset, PATH_BENEATH, _PathBeneath(rights, fd))
    finally:
        os.close(fd)


def _add(ruleset: int, kind: int, rule: ctypes.Structure) -> None:
    call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), ctypes.byref(rule), ctypes.c_uint32(0))
