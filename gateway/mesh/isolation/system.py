"""The C library, from which the kernel is asked what Python has no function for."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Final

PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38

libc: Final = ctypes.CDLL(None, use_errno=True)


def call(number: int, *arguments: Any) -> int:
    """A system call by its number.

    Raises:
        OSError: it failed.
    """
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise _error()
    return result


def prctl(option: int, *arguments: Any) -> None:
    """Change something of this process (prctl(2)).

    Raises:
        OSError: it failed.
    """
    words = [*arguments, *[0] * (4 - len(arguments))]
    if libc.prctl(option, *(word if isinstance(word, ctypes._Pointer) else ctypes.c_ulong(word) for word in words)):
        raise _error()


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
