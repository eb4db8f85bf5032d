"""Which port belongs to whom, and whether it is free.

The problem: "address already in use" from the fifth of nine processes helps nobody. The rule: every port is
known before anything starts, all are tried, and the error names each taken port and the process that has it.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import itertools
import random
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.control.supervisor.errors import CannotStart

FIXED = {
    "public": (8088, 0),
    "admin": (9901, 1),
    "collector": (4318, 2),
    "redis": (6390, 3),
    "internal": (8089, 9),
    "egress": (8087, 31),
    "prometheus": (9090, 30),
}
"""Name → default port and offset in a block. 8080 is left to intercepting proxies."""
FIRST_SERVICE = 8101
BLOCK = 256
"""Ports that a block reserves."""
FIRSTS = 32
"""Of them for the gateway's own parts and the first copy of each service; the others are for further copies."""
FIRST_COPY = 8200
COPIES = 16
"""Ports of each service for further copies."""
_LOWEST_BLOCK = 10_240


@dataclass(frozen=True)
class Need:
    """A port that somebody is going to bind."""

    owner: str
    address: str
    port: int


def assign(services: Sequence[str], base: int | None) -> dict[str, int]:
    """Port by name, for the gateway's own parts and for `services` in their order.

    Raises:
        CannotStart: the block does not fit below 65 536.
    """
    if base is None:
        fixed = {name: default for name, (default, _) in FIXED.items()}
        return fixed | {name: FIRST_SERVICE + index for index, name in enumerate(services)}
    if not 1 <= base <= 65_536 - BLOCK or len(services) > FIRSTS - len(FIXED):
        raise CannotStart(f"--port-base {base}: {BLOCK} ports from there must lie between 1 and 65535")
    free = (offset for offset in range(FIRSTS) if offset not in {offset for _, offset in FIXED.values()})
    own = {name: base + offset for name, (_, offset) in FIXED.items()}
    return own | {name: base + offset for name, offset in zip(services, free, strict=False)}


def of_copy(index: int, number: int, base: int | None) -> int | None:
    """The port of a service's second copy, or a later one; `index` is the service's place. None: there is none left.

    Known beforehand, so that whoever confines a service knows which ports its peers may have.
    """
    offset = index * COPIES + number - 2
    if base is None:
        return FIRST_COPY + offset
    return base + FIRSTS + offset if FIRSTS + offset < BLOCK else None


def find_block(chooser: random.Random, is_free: Callable[[int], bool], ephemeral: range) -> int:
    """The first port of a free block outside the range from which the kernel picks client ports.

    Inside that range any outgoing connection may take the port between our look and the service's bind.

    Raises:
        CannotStart: no free block.
    """
    starts = [port for port in range(_LOWEST_BLOCK, 65_536 - BLOCK, BLOCK) if not _overlaps(port, ephemeral)]
    chooser.shuffle(starts)
    for start in starts:
        if all(is_free(port) for port in range(start, start + BLOCK)):
            return start
    raise CannotStart("--port-base 0: no free block of ports on this machine")


def _overlaps(start: int, ephemeral: range) -> bool:
    return start < ephemeral.stop and ephemeral.start < start + BLOCK


def ephemeral_range() -> range:
    """The kernel's range for client ports; the IANA range (RFC 6335 §6) where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return range(int(low), int(high) + 1)
    return range(49_152, 65_536)


def bind(address: str, port: int) -> socket.socket:
    """A TCP socket bound to `address`; SO_REUSEADDR, so that connections in TIME_WAIT are no obstacle.

    Raises:
        OSError: the address is taken, not ours, or not allowed.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen(1_024)  # a bound port with SO_REUSEADDR is only ours once it listens
    except OSError:
        bound.close()
        raise
    return bound


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether `port` can be bound right now."""
    try:
        bind(address, port).close()
    except OSError:
        return False
    return True


def check(needs: Iterable[Need]) -> None:
    """Raise CannotStart unless every port is wanted once and free; all troubles are named at once."""
    wanted = sorted(needs, key=lambda need: need.port)
    troubles = [*_clashes(wanted), *(trouble for need in wanted if (trouble := _trouble(need)))]
    if troubles:
        raise CannotStart("\n".join([*troubles, "Stop what holds it, or choose other ports with --port-base 0."]))


def _clashes(wanted: Sequence[Need]) -> Iterator[str]:
    for first, second in itertools.pairwise(wanted):
        if first.port and first.port == second.port:
            yield f"port {first.port} is wanted by both {first.owner} and {second.owner}"


def _trouble(need: Need) -> str | None:
    try:
        bind(need.address, need.port).close()
    except OSError as error:
        where = f"port {need.port} ({need.owner})"
        if error.errno == errno.EADDRINUSE:
            return f"{where} is in use{holder(need.port)}"
        return f"{where} cannot be bound on {need.address}: {error.strerror}"
    return None


def holder(port: int) -> str:
    """` by NAME (pid N)`; empty when the system does not tell us (other users' processes, macOS)."""
    import psutil  # only on the way to an error: the supervisor stays small

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return " (the system does not say by whom)"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            with contextlib.suppress(psutil.Error):
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return " by another user's process"
