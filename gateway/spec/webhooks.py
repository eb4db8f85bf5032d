"""The configuration of WebhookSignature, and the secrets that it takes (Standard Webhooks 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from gateway.spec.fields import Duration, File, Integer, Name, Secret
from gateway.spec.models import FilterSpec
from gateway.spec.secrets import read_secret

MAX_SECRETS: Final = 10
_FORM: Final = re.compile(r"whsec_([A-Za-z0-9+/]+={0,2})")


class WebhookSignature(FilterSpec):
    """Require a webhook that its sender has signed just now, and pass each one on once."""

    type: Literal["WebhookSignature"] = "WebhookSignature"
    sender: Name
    """Who has the secret; the verified `sub` of what passes."""
    secrets: tuple[Secret, ...] = Field((), max_length=MAX_SECRETS, repr=False)
    secret_file: File | None = None
    """A file with a secret in each line, in place of `secrets`."""
    tolerance: Annotated[Duration, Field(gt=0, le=3_600)] = 300.0
    max_bytes: Integer = Field(65_536, gt=0, le=1_048_576)
    remember_for: Annotated[Duration, Field(gt=0, le=604_800)] = 600.0
    """How long the id of what was delivered is known; at least as long as a copy would be young enough."""
    duplicates: Literal["refuse", "acknowledge"] = "refuse"
    store: Name | None = None
    """None: each worker remembers for itself."""
    on_store_failure: Literal["fail_open", "fail_closed"] | None = None
    max_ids: Integer = Field(100_000, gt=0, le=10_000_000)
    """Ids remembered at one time, in each worker that remembers for itself."""

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Secrets that are none, and memories that are too short."""
        if bool(self.secrets) == (self.secret_file is not None):
            yield (), "give either secrets, or a secretFile with one in each line"
        for index, secret in enumerate(self.secrets):
            try:
                read_key(secret)
            except ValueError as error:
                yield ("secrets", index), str(error)
        try:
            if self.secret_file is not None:
                read_file(self.secret_file)
        except ValueError as error:
            yield ("secretFile",), str(error)
        if self.remember_for < 2 * self.tolerance:
            yield (
                ("rememberFor",),
                "a copy may be as old as the tolerance, and as far ahead: at least twice the tolerance",
            )


def read_key(secret: str) -> bytes:
    """The key of a serialized secret.

    Raises:
        ValueError: it is none; the text itself is not repeated.
    """
    match = _FORM.fullmatch(secret)
    try:
        key = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret is whsec_ and 24 to 64 bytes in base64 (Standard Webhooks)")
    return key


def read_file(path: str) -> tuple[bytes, ...]:
    """The keys of a file.

    Raises:
        ValueError: it cannot be used.
    """
    lines = [line.strip() for line in read_secret(Path(path)).splitlines() if line.strip()]
    if len(lines) > MAX_SECRETS:
        raise ValueError(f"{Path(path).name} has more than {MAX_SECRETS} lines")
    return tuple(read_key(line) for line in lines)
