"""Random secrets that we hand out: refresh tokens, reset codes, client secrets.

The problem: whoever reads our database must not be able to use what stands there. The rule: 256 random bits go
out, only their SHA-256 stays. A slow hash is for passwords, which can be guessed; 256 bits cannot.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid


def new_secret() -> str:
    """43 URL-safe characters, 256 bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is stored, looked up and compared."""
    return hashlib.sha256(secret.encode()).digest()


def new_id() -> str:
    """A name for a session, a token or a reset; not a secret."""
    return str(uuid.uuid4())
