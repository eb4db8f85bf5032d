"""What a sidecar keeps for its service's calls, and the line in which the gateway sends it (gateway.filters.onward)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

HEADER: Final = b"x-gatehouse-onward"
MAX_KEPT: Final = 4_096


class Kept(NamedTuple):
    """What came along with one token."""

    until: float
    """Seconds since 1970 at which none of them is good any more."""
    fields: Mapping[bytes, bytes]
    """By service: the value of `Authorization` for it."""


class Onward:
    """What a sidecar keeps for its service, by the `Authorization` that the service was given."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, authorization: bytes, line: bytes, now: float) -> None:
        """Remember what a line says.

        Raises:
            ValueError: it is none.
        """
        if authorization not in self._kept:
            self._kept[authorization] = read_line(line)
            self._forget(now)

    def take(self, authorization: bytes, now: float) -> Mapping[bytes, bytes] | None:
        """What to say in its place, by service; None for what did not come from the gateway, or has ended."""
        kept = self._kept.get(authorization)
        return kept.fields if kept is not None and kept.until > now else None

    def _forget(self, now: float) -> None:
        """The oldest stand first, and all are good for about as long: what has ended is there, too."""
        oldest = next(iter(self._kept))
        while len(self._kept) > MAX_KEPT or self._kept[oldest].until <= now:
            del self._kept[oldest]
            if not self._kept:
                return
            oldest = next(iter(self._kept))


def written_line(until: int, tokens: Mapping[str, bytes]) -> bytes:
    """The header's line, ready to be sent; nothing when there is no token."""
    said = b"".join(b", %b=%b" % (name.encode("ascii"), token) for name, token in tokens.items())
    return b"%b: until=%d%b\r\n" % (HEADER, until, said) if said else b""


def read_line(value: bytes) -> Kept:
    """The header's value.

    Raises:
        ValueError: it is not as we write it.
    """
    first, *rest = value.split(b", ")
    name, _, until = first.partition(b"=")
    if name != b"until" or not rest:
        raise ValueError("not a line of tokens for others")
    pairs = (one.partition(b"=") for one in rest)
    return Kept(float(int(until)), {service: b"Bearer " + token for service, _, token in pairs})
