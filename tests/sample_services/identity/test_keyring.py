"""Signing keys: always one ahead, never one too long."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import jwt
import pytest

from sample_services.identity.keyring import KEEP_RETIRED_S, KeyRing, NewKey, create_keys, load_keys, rotate_keys


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(connection: sqlite3.Connection, tmp_path: Path, clock: Clock) -> KeyRing:
    create_keys(connection, tmp_path, clock.now)
    ring = KeyRing(tmp_path, clock)
    ring.use(load_keys(connection))
    return ring


def rotate(
    ring: KeyRing, connection: sqlite3.Connection, directory: Path, clock: Clock, compromised: bool = False
) -> None:
    fresh = NewKey.generate(ring.active_algorithm)
    fresh.save(directory)
    rotate_keys(connection, fresh, compromised, clock.now)
    ring.use(load_keys(connection))


def kids(ring: KeyRing) -> set[str]:
    return {key["kid"] for key in ring.published()}


def test_begins_with_one_key_of_each_algorithm(ring: KeyRing) -> None:
    assert sorted(key["alg"] for key in ring.published()) == ["EdDSA", "RS256"]
    assert ring.active_algorithm == "RS256"
    assert all(key["use"] == "sig" and "d" not in key and "p" not in key for key in ring.published())


async def test_signs_what_the_published_key_verifies(ring: KeyRing) -> None:
    token = ring.sign({"sub": "alice"})
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "RS256", "kid": ring.active_kid, "typ": "at+jwt"}
    key = await ring.get(header["kid"])
    assert key is not None
    assert jwt.decode(token, key.jwk, ["RS256"]) == {"sub": "alice"}


async def test_rotation_uses_a_key_that_was_published_before(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    first, published = ring.active_kid, kids(ring)
    rotate(ring, connection, tmp_path, clock)
    assert ring.active_kid in published - {first}
    assert ring.active_algorithm == "EdDSA"
    assert first in kids(ring)  # its tokens are still good
    assert sorted(key["alg"] for key in ring.published()) == ["EdDSA", "RS256", "RS256"]
    assert jwt.get_unverified_header(ring.sign({}))["alg"] == "EdDSA"


async def test_a_retired_key_goes_when_its_last_token_is_over(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    first = ring.active_kid
    rotate(ring, connection, tmp_path, clock)
    clock.now += KEEP_RETIRED_S - 1
    assert first in kids(ring)
    clock.now += 1
    assert first not in kids(ring)
    assert await ring.get(first) is None
    rotate(ring, connection, tmp_path, clock)
    rotate(ring, connection, tmp_path, clock)
    assert first not in {row["kid"] for row in load_keys(connection)}


async def test_a_compromised_key_goes_at_once(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    first = ring.active_kid
    rotate(ring, connection, tmp_path, clock, compromised=True)
    assert await ring.get(first) is None
    assert first not in kids(ring)


def test_private_keys_are_files_of_their_own_and_die_with_retirement(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    first = ring.active_kid
    files = {file.stem: file.stat().st_mode & 0o777 for file in tmp_path.glob("*.pem")}
    assert files == dict.fromkeys(kids(ring), 0o600)
    assert "PRIVATE" not in "\n".join(connection.iterdump())
    rotate(ring, connection, tmp_path, clock)
    assert {file.stem for file in tmp_path.glob("*.pem")} == kids(ring) - {first}


def test_without_its_private_key_it_does_not_start(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    (tmp_path / f"{ring.active_kid}.pem").unlink()
    with pytest.raises(FileNotFoundError):
        KeyRing(tmp_path, clock).use(load_keys(connection))


def test_what_another_copy_rotates_is_followed(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    other = KeyRing(tmp_path, clock)
    other.use(load_keys(connection))
    assert other.knows(load_keys(connection))
    rotate(ring, connection, tmp_path, clock)
    assert not other.knows(load_keys(connection))
    other.use(load_keys(connection))
    assert (other.active_kid, kids(other)) == (ring.active_kid, kids(ring))


def test_of_two_rotations_at_once_one_is_refused(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path, clock: Clock
) -> None:
    former, late = ring.active_kid, NewKey.generate(ring.active_algorithm)
    rotate(ring, connection, tmp_path, clock)
    late.save(tmp_path)
    assert not rotate_keys(connection, late, False, clock.now, former)
    assert sorted(row["algorithm"] for row in load_keys(connection) if row["state"] != "retired") == ["EdDSA", "RS256"]


def test_a_private_key_that_another_copy_is_about_to_publish_is_left_alone(
    ring: KeyRing, connection: sqlite3.Connection, tmp_path: Path
) -> None:
    coming = NewKey.generate("EdDSA")
    coming.save(tmp_path)
    patient = KeyRing(tmp_path, lambda: (tmp_path / f"{coming.kid}.pem").stat().st_mtime + 1)
    patient.use(load_keys(connection))
    assert (tmp_path / f"{coming.kid}.pem").exists()
    later = KeyRing(tmp_path, lambda: (tmp_path / f"{coming.kid}.pem").stat().st_mtime + 61)
    later.use(load_keys(connection))
    assert not (tmp_path / f"{coming.kid}.pem").exists()
