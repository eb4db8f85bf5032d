"""The five operations, the same for both faces: permission, then one transaction.

The problem: with two faces, a check that lives in one of them is missing in the other. The rule: a face hands over
who calls and validated values, and gets a profile or a `Problem`; it decides nothing itself.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence

from sample_services.kit.auth import Claims
from sample_services.kit.database import Database
from sample_services.profiles import recovery, store
from sample_services.profiles.access import concerns, permit, permit_fields
from sample_services.profiles.model import Changes, NewProfile, Profile
from sample_services.profiles.recovery import Reset

Clock = Callable[[], float]


class Profiles:
    """What can be done with profiles. Every method raises `Problem` when it is refused."""

    def __init__(
        self,
        database: Database,
        recovered: Callable[[], None],
        clock: Clock = time.time,
        weak: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._database = database
        self._weak = weak
        self._recovered = recovered
        self._clock = clock

    async def create(self, claims: Claims, new: NewProfile) -> Profile:
        """Create one's own profile, or anybody's as an administrator."""
        permit(claims, "create", new.username)
        permit_fields(claims, new.model_fields_set)
        return await self._database.write(store.create, new)

    async def read(self, claims: Claims, username: str) -> Profile:
        """Read a profile that is not dropped."""
        permit(claims, "read", username)
        return await self._database.read(store.read, username)

    async def read_many(self, claims: Claims, usernames: Sequence[str]) -> list[Profile]:
        """Read several; those that do not exist and those that are not the caller's to read are left out."""
        readable = [username for username in usernames if concerns(claims, "read", username)]
        return await self._database.read(store.read_many, readable)

    async def update(self, claims: Claims, username: str, changes: Changes, based_on: int) -> Profile:
        """Change the given fields of the version that the caller has seen."""
        permit(claims, "update", username)
        if not self._weak("no-field-rules"):  # LAB: api3-bopla
            permit_fields(claims, changes.model_fields_set)
        return await self._database.write(store.update, username, changes, based_on)

    async def drop(self, claims: Claims, username: str, based_on: int | None) -> None:
        """Drop a profile; `based_on` makes that conditional on the version."""
        permit(claims, "drop", username)
        await self._database.write(store.drop, username, based_on, self._clock())

    async def recover(self, claims: Claims, username: str, reason: str, traceparent: str) -> Profile:
        """Restore a dropped profile and see to it that its credentials are reset."""
        permit(claims, "recover", username)
        reset = Reset(str(uuid.uuid4()), username, reason, claims.subject, traceparent)
        profile = await self._database.write(_recover, reset, self._clock())
        self._recovered()
        return profile


def _recover(connection: sqlite3.Connection, reset: Reset, now: float) -> Profile:
    """Both in one transaction: there is no restored profile without its reset, and no reset without the profile."""
    profile = store.restore(connection, reset.username)
    recovery.record(connection, reset, now)
    return profile
