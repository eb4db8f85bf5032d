"""A token issuer for development: its key, its tokens, and the small process that publishes the key.

The problem: to try a protected route in front of your own service you need tokens before you have an
identity provider. The rule: the private key is a file that only this user can read; whoever can read it
signs tokens locally (`gatehouse token NAME --dev`); the process serves the public key alone, so nobody can
ask it for a token, no web page in the same browser either. Development only: it vouches for any name.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "dev-issuer"
ISSUER = "https://dev-issuer.gatehouse.local"
AUDIENCE = "dev"
LIFETIME = 600
"""Seconds that a development token is good for."""


def key_file(state_dir: Path) -> Path:
    """Where the private key of an installation's development issuer is."""
    return state_dir / "data" / NAME / "key.pem"


def ensure_key(state_dir: Path) -> None:
    """Make the key pair if there is none yet; the file's mode is 0600 from its first byte on."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = key_file(state_dir)
    for folder in (state_dir, path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        key = Ed25519PrivateKey.generate()
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def load_key(state_dir: Path) -> Ed25519PrivateKey | None:
    """The private key, or None where no development issuer was ever started."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = key_file(state_dir)
    if not path.exists():
        return None
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def public_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    """The public half as a JWK (RFC 8037); its id is its thumbprint (RFC 7638)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return members | {"kid": _base64url(digest), "use": "sig", "alg": "EdDSA"}


def sign(
    key: Ed25519PrivateKey, name: str, scopes: tuple[str, ...], now: int, more: Mapping[str, str] | None = None
) -> str:
    """An access token (RFC 9068) for that name; `now` in seconds since 1970; `more` claims add to ours."""
    import jwt

    claims = dict(more or {}) | {
        "iss": ISSUER, "sub": name, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME,
        "jti": secrets.token_urlsafe(12), "client_id": NAME, "scope": " ".join(scopes),
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": public_jwk(key)["kid"]})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def serve(settings: dict[str, Any]) -> None:
    """Publish the key set on loopback until SIGTERM, or until the supervisor is gone (`lifeline_fd`)."""
    from aiohttp import web

    key = load_key(Path(settings["data_dir"]).parent.parent)
    if key is None:
        raise SystemExit(f"no key in {settings['data_dir']}; it is made by: gatehouse run … --dev-issuer")
    keys = {"keys": [public_jwk(key)]}

    async def jwks(_request: web.Request) -> web.Response:
        return web.json_response(keys)

    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/jwks.json", jwks), web.get("/healthz", alive), web.get("/readyz", alive)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings["host"], settings["port"]).start()
    await _until_told_to_stop(settings.get("lifeline_fd"))
    await runner.cleanup()


async def _until_told_to_stop(lifeline: int | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if lifeline is not None:  # a pipe that the supervisor holds open: readable means that it is gone
        loop.add_reader(lifeline, stopping.set)
    await stopping.wait()


def main() -> None:
    """Start as the supervisor starts a service: settings as JSON on an inherited pipe."""
    parser = argparse.ArgumentParser(description="Publish the key of the development token issuer.")
    parser.add_argument("--settings-fd", type=int, required=True)
    with os.fdopen(parser.parse_args().settings_fd, "rb") as pipe:
        settings = json.load(pipe)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
