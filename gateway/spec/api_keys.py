"""The file of API keys: who holds one, what it allows, and nothing that could be used in its place.

The problem: a list of keys is a list of passwords to whoever reads it. The rule: a key is 256 random bits, the file has
its SHA-256 only. Argon2 would be wrong here: it makes guessing slow, and these cannot be guessed, but it would cost
every request 50 ms and give a stranger who sends nonsense a lever. The file may be read by others, never written.

    ghk_0a1b2c3d4e5f_Jx…43 characters…Qk
        └── the id    └── the secret
"""

from __future__ import annotations

import hashlib
import re
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from gateway.spec.models import Model

MAX_BYTES: Final = 4 * 1024 * 1024
NOBODY: Final = Path("/dev/null")
KEY: Final = re.compile(rb"ghk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")

Word = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")]


class StoredKey(Model):
    """One key, as the file has it."""

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    owner: Word
    plan: Word = "default"
    scopes: tuple[Word, ...] = ()
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None

    def valid(self, now: datetime) -> bool:
        """Whether it opens anything at that time."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyFile(Model):
    """The whole file."""

    keys: tuple[StoredKey, ...] = Field(default=(), max_length=10_000)


def digest(key: bytes) -> str:
    """What the file has of a key."""
    return hashlib.sha256(key).hexdigest()


def now() -> datetime:
    """The time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def read_keys(path: Path) -> KeyFile:
    """The keys of a file; `/dev/null` has none.

    Raises:
        ValueError: it cannot be read, is no such file, or others can write it; in words for its owner.
    """
    if path == NOBODY:
        return KeyFile()
    try:
        status = path.stat()
        raw = path.read_bytes() if status.st_size <= MAX_BYTES else None
    except FileNotFoundError:
        raise ValueError(
            f"there is no file {path.name}; make it with: gatehouse key create OWNER --file FILE"
        ) from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    if raw is None:
        raise ValueError(f"{path.name} is larger than {MAX_BYTES} bytes")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ValueError(f"other users can write {path.name}, and so give themselves a key: chmod go-w")
    try:
        file = KeyFile.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path.name} is no file of keys: {place or 'as a whole'}: {first['msg'].lower()}") from None
    if len({key.id for key in file.keys}) != len(file.keys):
        raise ValueError(f"{path.name} has two keys with one id")
    return file
