"""What the authority remembers: which certificates are out, which are revoked, who is shut out.

The problem: everything here grows with each start and renewal of a workload, and must not grow for ever; and an
authority that was killed must not forget whom it had shut out. The rule: nothing is remembered longer than it matters,
which is until the certificate or token in question has expired; what is out, and what shuts somebody out, is on disk
before it is said: else an authority that was killed could not revoke what it had issued before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

MAX_ISSUED: Final = 5_000
"""Certificates that are good at one time; more are refused rather than forgotten."""
MAX_HELD: Final = 64
"""Of one process: whoever renews again and again takes nothing away from others."""


class Full(Exception):
    """More certificates than a mesh of this size, or a process of it, can have."""


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate that is out."""

    serial: int
    identity: str
    holder: str
    """The process that has it; a later certificate for it takes this one's place."""
    issuer: int
    """Which intermediate signed it, in the order of adoption."""
    expires: float
    superseded: bool = False
    """Whether its holder has a newer one."""


class Register:
    """The authority's memory."""

    def __init__(self, wall: Callable[[], float], file: Path | None = None) -> None:
        """`file` keeps all this for an authority that is started again.

        Raises:
            ValueError: the file is there and holds something else.
        """
        self._wall, self._file = wall, file
        kept = json.loads(file.read_bytes()) if file is not None and file.exists() else {}
        issued = (Issued(**one) for one in kept.get("issued", ()))
        self._issued: dict[int, Issued] = {one.serial: replace(one, issuer=0) for one in issued}  # numbers begin anew
        self._revoked: dict[int, float] = {int(serial): ends for serial, ends in kept.get("revoked", {}).items()}
        self._used: dict[str, float] = kept.get("used", {})
        self.barred: set[str] = set(kept.get("barred", ()))
        """Identities that get no certificate."""

    def issued(self) -> list[Issued]:
        """The certificates that are out, oldest first."""
        self._forget()
        return list(self._issued.values())

    def revoked(self) -> frozenset[int]:
        """Serials of revoked certificates that would still be good."""
        self._forget()
        return frozenset(self._revoked)

    def holder_of(self, serial: int) -> str:
        """Which process a certificate was given to; its serial where that is not known any more."""
        known = self._issued.get(serial)
        return known.holder if known else f"{serial:x}"

    def add(self, one: Issued) -> None:
        """Remember a new certificate; what its holder had before is superseded.

        Raises:
            Full: there are too many.
        """
        self._forget()
        held = [known for known in self._issued.values() if known.holder == one.holder]
        if len(self._issued) >= MAX_ISSUED or len(held) >= MAX_HELD:
            raise Full
        for former in held:
            self._issued[former.serial] = replace(former, superseded=True)
        self._issued[one.serial] = one
        self._save()

    def use(self, number: str, expires: float) -> bool:
        """Use a one-time token up; False when it was used before."""
        self._forget()
        if number in self._used:
            return False
        self._used[number] = expires
        self._save()
        return True

    def revoke(self, identity: str) -> int:
        """Revoke every certificate of an identity, and give it no other; how many that were."""
        self.barred.add(identity)
        found = [one for one in self.issued() if one.identity == identity and one.serial not in self._revoked]
        self._revoked |= {one.serial: one.expires for one in found}
        self._save()
        return len(found)

    def allow(self, identity: str) -> None:
        """Give an identity certificates again; what was revoked stays so."""
        self.barred.discard(identity)
        self._save()

    def depends_on(self, issuer: int) -> int:
        """How many workloads still hold a certificate of an intermediate, or of an earlier one, as their newest."""
        held = (one for one in self.issued() if not one.superseded and one.serial not in self._revoked)
        return sum(1 for one in held if one.issuer <= issuer)

    def _save(self) -> None:
        """Whole or not at all."""
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        issued = [asdict(one) for one in self._issued.values()]
        kept = {"issued": issued, "revoked": self._revoked, "used": self._used, "barred": sorted(self.barred)}
        new.write_text(json.dumps(kept))
        new.replace(self._file)

    def _forget(self) -> None:
        now = self._wall()
        self._issued = {serial: one for serial, one in self._issued.items() if one.expires > now}
        self._revoked = {serial: expires for serial, expires in self._revoked.items() if expires > now}
        self._used = {number: expires for number, expires in self._used.items() if expires > now}
