"""Signing keys: one signs, the next is already published, old ones fade out.

The problem: a verifier that meets a new key name must fetch, and is slow or refuses until it has; a verifier that
no longer finds an old key refuses good tokens. The rule: there are always two keys, one RS256 and one EdDSA. The
active one signs, the standby is published but unused; rotation makes the standby active, publishes a fresh
standby, and keeps the old public key until its last token has expired. Private keys are files of mode 0600
beside the database: a copy of the database signs nothing, and a retired private key is deleted at once.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from sample_services.identity.opaque import new_id
from sample_services.identity.revocation_outbox import ACCESS_LIFETIME_S
from sample_services.kit.keys import Key, parse_keys

KEEP_RETIRED_S = ACCESS_LIFETIME_S + 60.0
"""A token's lifetime and the largest leeway that a verifier may give."""

ORPHANED_S = 60.0
"""After so long a private key that the database does not know belongs to a rotation that never came to its end."""

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
OTHER_ALGORITHM = {"RS256": "EdDSA", "EdDSA": "RS256"}


@dataclass(frozen=True)
class NewKey:
    """A key that was just made and is not stored yet."""

    kid: str
    algorithm: str
    private: PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, algorithm: str) -> NewKey:
        """A fresh key; RS256 takes about 100 ms."""
        if algorithm == "RS256":
            return cls(new_id(), algorithm, generate_private_key(public_exponent=65_537, key_size=2_048))
        return cls(new_id(), algorithm, Ed25519PrivateKey.generate())

    def public_jwk(self) -> str:
        """The public half as it stands in the JWKS (RFC 7517; RFC 8037 for EdDSA)."""
        public: Any = self.private.public_key()
        algorithm = RSAAlgorithm if self.algorithm == "RS256" else OKPAlgorithm
        jwk = json.loads(algorithm.to_jwk(public))
        jwk.pop("key_ops", None)
        return json.dumps(jwk | {"kid": self.kid, "alg": self.algorithm, "use": "sig"})

    def save(self, directory: Path) -> None:
        """Write the private half, readable by this user only, and on disk before anything refers to it."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor = os.open(key_file(directory, self.kid), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())


def key_file(directory: Path, kid: str) -> Path:
    """Where the private half of a key lies."""
    return directory / f"{kid}.pem"


def create_keys(connection: sqlite3.Connection, directory: Path, now: float) -> None:
    """The first two keys of an installation."""
    for algorithm, state in (("RS256", "active"), ("EdDSA", "standby")):
        key = NewKey.generate(algorithm)
        key.save(directory)
        insert_key(connection, key, state, now)


def insert_key(connection: sqlite3.Connection, key: NewKey, state: str, now: float) -> None:
    """Publish a key."""
    connection.execute(
        "INSERT INTO signing_keys (kid, algorithm, public_jwk, state, created_at) VALUES (?, ?, ?, ?, ?)",
        (key.kid, key.algorithm, key.public_jwk(), state, now),
    )


def rotate_keys(
    connection: sqlite3.Connection, fresh: NewKey, compromised: bool, now: float, active: str | None = None
) -> bool:
    """Standby becomes active, `fresh` becomes standby, active retires; a compromised one is unpublished at once.

    With `active`, the key that the caller knows as active: False, and nothing is done, when another copy of the
    service has rotated meanwhile.
    """
    (now_active,) = connection.execute("SELECT kid FROM signing_keys WHERE state = 'active'").fetchone()
    if active not in (None, now_active):
        return False
    if compromised:
        connection.execute("DELETE FROM signing_keys WHERE state = 'active'")
    connection.execute("UPDATE signing_keys SET state = 'retired', retired_at = ? WHERE state = 'active'", (now,))
    connection.execute("UPDATE signing_keys SET state = 'active' WHERE state = 'standby'")
    insert_key(connection, fresh, "standby", now)
    connection.execute("DELETE FROM signing_keys WHERE retired_at <= ?", (now - KEEP_RETIRED_S,))
    return True


def load_keys(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """All keys, the newest first."""
    return connection.execute("SELECT * FROM signing_keys ORDER BY created_at DESC, kid").fetchall()


class KeyRing:
    """The keys in memory: signs with the active one, publishes those that are still believed."""

    def __init__(self, directory: Path, clock: Callable[[], float]) -> None:
        self._directory = directory
        self._clock = clock
        self._rows: list[sqlite3.Row] = []
        self._active: tuple[str, str, Any] = ("", "", None)
        self._public: dict[str, Key] = {}
        self._seen: set[str] = set()

    def use(self, rows: list[sqlite3.Row]) -> None:
        """Take over what the database says; private files of keys that sign no more are deleted."""
        [active] = [row for row in rows if row["state"] == "active"]
        pem = key_file(self._directory, active["kid"]).read_bytes()
        self._active = active["kid"], active["algorithm"], serialization.load_pem_private_key(pem, None)
        self._rows = rows
        self._public = parse_keys({"keys": [json.loads(row["public_jwk"]) for row in rows]})
        self._forget_private([row["kid"] for row in rows if row["state"] != "retired"])

    def knows(self, rows: list[sqlite3.Row]) -> bool:
        """Whether these are the keys that it has: another copy of the service may have rotated them."""
        return [(one["kid"], one["state"]) for one in rows] == [(one["kid"], one["state"]) for one in self._rows]

    def _forget_private(self, signing: list[str]) -> None:
        """Delete private files of keys that sign no more; a file that is not in the database may be one to come."""
        known = {row["kid"] for row in self._rows} | self._seen
        self._seen = {row["kid"] for row in self._rows}
        for file in self._directory.glob("*.pem"):
            if file.stem not in signing and (file.stem in known or file.stat().st_mtime < self._clock() - ORPHANED_S):
                file.unlink(missing_ok=True)

    @property
    def active_kid(self) -> str:
        """The name of the key that signs."""
        return self._active[0]

    @property
    def active_algorithm(self) -> str:
        """The algorithm of the key that signs."""
        return self._active[1]

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token in JWT form (RFC 9068 section 2.1); at most 1 ms, so it stays on the event loop."""
        kid, algorithm, private = self._active
        return jwt.encode(claims, private, algorithm, {"kid": kid, "typ": "at+jwt"})

    def published(self) -> list[dict[str, Any]]:
        """The `keys` of the JWKS."""
        return [json.loads(row["public_jwk"]) for row in self._rows if self._is_believed(row)]

    async def get(self, kid: str) -> Key | None:
        """For our own verifier: straight from memory."""
        believed = any(row["kid"] == kid and self._is_believed(row) for row in self._rows)
        return self._public.get(kid) if believed else None

    def _is_believed(self, row: sqlite3.Row) -> bool:
        return row["retired_at"] is None or row["retired_at"] + KEEP_RETIRED_S > self._clock()
