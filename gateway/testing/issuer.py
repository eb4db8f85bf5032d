"""An issuer of tokens for tests: a key, a server that publishes it, and tokens that say what a test wants.

The tokens are real ones (RFC 9068, Ed25519), and the gateway verifies them as it does any other.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.cli.dev_issuer import public_jwk
from gateway.testing.loop import LoopThread
from gateway.testing.upstream import Upstream

JWKS_PATH: Final = "/jwks.json"


class Issuer:
    """Issues tokens and serves the key set."""

    def __init__(
        self, thread: LoopThread, wall: Callable[[], float] | None = None, *, name: str, audience: str
    ) -> None:
        """`wall` is the time of day for `iat` and `exp`; None means the real one."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.name = name
        """What `iss` says, and a provider's `issuer`."""
        self.audience = audience
        """What `aud` says."""
        self._wall = wall or time.time
        self._key = Ed25519PrivateKey.generate()
        self.server = Upstream(thread)
        """It serves the key set at `/jwks.json`, and can be stopped like any other."""
        self.server.answer(json={"keys": [public_jwk(self._key)]}, to=JWKS_PATH)

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT` of the key set's server."""
        return self.server.address

    def token(
        self,
        sub: str = "alice",
        scopes: Sequence[str] = (),
        *,
        expires_in: float = 600.0,
        forged: bool = False,
        **claims: Any,
    ) -> str:
        """An access token.

        Args:
            expires_in: seconds; a negative number makes one that has expired.
            forged: signed with a key that the issuer does not have.
            claims: added, or put in the place of ours; None takes one away.
        """
        import jwt
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        now = int(self._wall())
        said: dict[str, Any] = {"iss": self.name, "aud": self.audience, "sub": sub, "iat": now}
        said |= {"exp": int(now + expires_in), "jti": secrets.token_urlsafe(8)}
        if scopes:
            said["scope"] = " ".join(scopes)
        said = {name: value for name, value in {**said, **claims}.items() if value is not None}
        header = {"typ": "at+jwt", "kid": public_jwk(self._key)["kid"]}
        key = Ed25519PrivateKey.generate() if forged else self._key
        return jwt.encode(said, key, algorithm="EdDSA", headers=header)
