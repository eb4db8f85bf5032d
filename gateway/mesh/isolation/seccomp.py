"""A filter of system calls, for what Landlock does not see (seccomp(2); tried on Linux 6.18 with Landlock 7).

The problem: Landlock asks about files, TCP and signals. It does not ask about a Unix socket with a path: one call of
`systemd-run --user`, tmux, docker.sock or an SSH agent later the process is outside. It does not ask about UDP, nor
about TCP when it is called MPTCP or begins with MSG_FASTOPEN, nor when a file's mode, owner, times or attributes
change, nor when the limits or CPUs of another process of the same user do. The rule: those calls fail with EPERM.

It is a list of what is refused, not of what is allowed, since libraries call what they like; each line says why it
stands there. A filter sees numbers, not what a pointer points to: so no address is looked at here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.mesh.isolation.system import PR_SET_SECCOMP, prctl

ARCHITECTURES: Final = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}
"""AUDIT_ARCH of linux/audit.h, and the column of our tables."""

REFUSED: Final = {
    # what works past a socket's own calls, unseen by this filter
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # other processes, also where there is no Landlock
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438), "kcmp": (312, 272), "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "setpriority": (141, 140), "ioprio_set": (251, 30),
    # what belongs to the user: keys of the kernel, System V memory and queues
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180), "mq_unlink": (241, 181),
    # a file's mode, owner, times and attributes: whoever owns it may change them, whatever Landlock says
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    # the kernel's own inside, and namespaces, in which everybody is root
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "unshare": (272, 97),
    "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
}  # fmt: skip
PROGRAMS: Final = {"execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None)}
"""Refused besides, unless it may start programs."""
SOCKET, SOCKETPAIR, CLONE, CLONE3 = (41, 198), (53, 199), (56, 220), (435, 435)
SENDS: Final = (((44, 206), 3), ((46, 211), 2), ((307, 269), 3))
"""sendto, sendmsg, sendmmsg, and which argument are the flags."""
OF_A_PROCESS: Final = ((302, 261), (203, 122), (144, 119), (142, 118), (314, 274))
"""prlimit64, sched_setaffinity, sched_setscheduler, sched_setparam, sched_setattr: the first argument says whose."""

TCP: Final = (socket.AF_INET, socket.AF_INET6)
MSG_FASTOPEN: Final = 0x2000_0000
CLONE_THREAD: Final = 0x1_0000
CLONE_NAMESPACES: Final = 0x7E02_0000
X32: Final = 0x4000_0000

LOAD, AND, JUMP_EQUAL, JUMP_GREATER, JUMP_SET, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
KILL: Final = 0x8000_0000
ALLOW: Final = 0x7FFF_0000
ERRNO: Final = 0x0005_0000

Instruction = tuple[int, int, int, int]
"""Of the classic packet filter: code, how far to jump if so, how far if not, value (linux/filter.h)."""
Number = tuple[int | None, int | None]
"""A system call's number on each architecture; None where it does not exist."""


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def install(*, programs: bool, unix: bool = False) -> None:
    """Filter this thread and whatever it starts, for ever. `no_new_privs` must be set.

    Raises:
        OSError: the kernel refuses; ENOSYS: no filter was written for this machine.
    """
    code = program(os.uname().machine, programs=programs, unix=unix)
    packed = b"".join(struct.pack("=HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    whole = _Filter(len(code), ctypes.cast(buffer, ctypes.c_void_p))
    prctl(PR_SET_SECCOMP, 2, ctypes.pointer(whole))


def program(machine: str, *, programs: bool, unix: bool = False) -> list[Instruction]:
    """The filter for a machine, as instructions.

    Raises:
        OSError: ENOSYS, for a machine whose system calls are not listed here.
    """
    if machine not in ARCHITECTURES or sys.maxsize < 1 << 32 or sys.byteorder != "little":
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}")
    architecture, column = ARCHITECTURES[machine]
    code: list[Instruction] = [(LOAD, 0, 0, 4), (JUMP_EQUAL, 1, 0, architecture), _end(KILL), (LOAD, 0, 0, 0)]
    if machine == "x86_64":  # the same calls once more, under other numbers
        code += [(JUMP_GREATER, 0, 1, X32), _fail(errno.ENOSYS)]
    for number, body in _calls(programs, unix):
        if number[column] is not None:
            code += [(JUMP_EQUAL, 0, len(body), number[column] or 0), *body]
    return [*code, _end(ALLOW)]


def _calls(programs: bool, unix: bool) -> Iterator[tuple[Number, list[Instruction]]]:
    """What happens on which call; each body ends by itself."""
    yield SOCKET, _only_streams((*TCP, socket.AF_UNIX) if unix else TCP)
    yield SOCKETPAIR, [*_argument(1), (AND, 0, 0, 0xF), *_unless(JUMP_EQUAL, socket.SOCK_STREAM), _end(ALLOW)]
    for number, flags in SENDS:
        yield number, [*_argument(flags), (JUMP_SET, 0, 1, MSG_FASTOPEN), _fail(), _end(ALLOW)]
    for number in OF_A_PROCESS:
        yield number, [*_argument(0), *_unless(JUMP_EQUAL, 0), _end(ALLOW)]
    # A thread is a clone, too. The flags of clone3 lie behind a pointer; the C library takes ENOSYS for "use clone".
    forbidden = [(JUMP_SET, 0, 1, CLONE_NAMESPACES), _fail()] if programs else _unless(JUMP_SET, CLONE_THREAD)
    yield CLONE, [*_argument(0), *forbidden, _end(ALLOW)]
    yield CLONE3, [_fail(errno.ENOSYS)]
    for refused in (REFUSED, {} if programs else PROGRAMS):
        for numbers in refused.values():
            yield numbers, [_fail()]


def _only_streams(families: Sequence[int]) -> list[Instruction]:
    return [
        *_argument(0), *_unless(JUMP_EQUAL, *families),
        *_argument(1), (AND, 0, 0, 0xF), *_unless(JUMP_EQUAL, socket.SOCK_STREAM),
        *_argument(2), *_unless(JUMP_EQUAL, 0, socket.IPPROTO_TCP),
        _end(ALLOW),
    ]  # fmt: skip


def _unless(jump: int, *values: int) -> list[Instruction]:
    """Fail unless what is loaded is one of these."""
    return [*((jump, len(values) - place, 0, value) for place, value in enumerate(values)), _fail()]


def _argument(place: int) -> Sequence[Instruction]:
    """Load an argument: its lower half, which is all that the kernel takes of an `int`."""
    return [(LOAD, 0, 0, 16 + 8 * place)]


def _fail(number: int = errno.EPERM) -> Instruction:
    return _end(ERRNO | number)


def _end(value: int) -> Instruction:
    return (RETURN, 0, 0, value)
