"""From a host name to addresses.

The problem: the C library's resolver blocks, for as long as a name server is silent, and knows no time to live; but it
is the one that every other program on the machine asks, with its hosts file, search domains and whatever else
nsswitch.conf says. The rule: it is asked in a few threads of its own, so that names nobody answers for hold up neither
requests nor anything else that needs a thread; how many may wait for them is bounded. When to ask again is the
asker's business (`gateway.upstream.discovery`).

A resolver is any function with `resolve`, so tests, and `dns.hosts` of a cluster, answer without asking anybody.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

THREADS: Final = 4
MAX_WAITING: Final = 256
"""Questions at one time, those in threads included."""
FAMILIES: Final = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_ABSENT: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Unresolved(Exception):
    """There is no answer: `reason` is `not_found`, `failed`, `timeout` or `overflow`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Resolver(Protocol):
    """Whoever knows addresses."""

    async def resolve(self, host: str, family: str) -> Sequence[str]:
        """All addresses of a name, of one family or `any`.

        Raises:
            Unresolved: there are none, or nobody can say.
        """


class SystemResolver:
    """getaddrinfo(3), in threads; one for the whole process."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def resolve(self, host: str, family: str) -> Sequence[str]:
        """As `Resolver`. A question that its asker has given up still holds its thread until the library does."""
        if self._waiting >= MAX_WAITING:
            raise Unresolved("overflow")
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "resolver")
        question = self._threads.submit(addresses_of, host, family)
        self._waiting += 1
        loop = asyncio.get_running_loop()
        question.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(self._answered))
        return await asyncio.wrap_future(question)

    def _answered(self) -> None:
        self._waiting -= 1


class Listed:
    """Some names are answered from a list, the others by the next resolver."""

    def __init__(self, hosts: Mapping[str, Sequence[str]], following: Resolver) -> None:
        self._hosts = hosts
        self._following = following

    async def resolve(self, host: str, family: str) -> Sequence[str]:
        """As `Resolver`."""
        listed = self._hosts.get(host)
        if listed is None:
            return await self._following.resolve(host, family)
        found = [one for one in listed if family == "any" or (family == "ipv6") == (":" in one)]
        if not found:
            raise Unresolved("not_found")
        return found


def addresses_of(host: str, family: str) -> list[str]:
    """Ask the system, and wait.

    Raises:
        Unresolved: `not_found` when there is no such name or it has no address, else `failed`.
    """
    try:
        # AI_ADDRCONFIG: no IPv6 addresses on a machine that has none itself; they would be endpoints that never answer.
        found = socket.getaddrinfo(host, None, FAMILIES[family], socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
    except socket.gaierror as error:
        raise Unresolved("not_found" if error.errno in _ABSENT else "failed") from error
    except (OSError, UnicodeError) as error:  # UnicodeError: a label of more than 63 characters
        raise Unresolved("failed") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
