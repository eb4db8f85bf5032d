"""Forged tokens, one function for each way. What a forger needs is in the arguments, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jwt.algorithms import RSAAlgorithm

from scenarios.lab.local import is_stranger

WORDS = ("123456", "password", "changeme", "letmein", "secret", "shop", "gatehouse")
"""The beginning of a list of words; real ones have millions, and are tried as fast."""

Claims = Mapping[str, Any]


def text(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _parts(header: Mapping[str, Any], claims: Claims) -> str:
    return ".".join(text(json.dumps(part).encode()) for part in ({"typ": "at+jwt", **header}, claims))


def unsigned(claims: Claims, spelling: str) -> str:
    """`alg: none`, in whatever spelling."""
    return _parts({"alg": spelling}, claims) + "."


def stripped(token: str, claims: Claims) -> str:
    """A good token's header, other claims, and no signature."""
    return f"{token.split('.')[0]}.{text(json.dumps(claims).encode())}."


def by_secret(claims: Claims, secret: bytes, **header: Any) -> str:
    """HS256 with a secret: a public key, a file's content, a word."""
    signed = _parts({"alg": "HS256", **header}, claims)
    return f"{signed}.{text(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


class Forger:
    """Has a key pair of its own, like everybody."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65_537, 2_048)
        public = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.jwk = {**public, "kid": "mine", "use": "sig", "alg": "RS256"}

    def signed(self, claims: Claims, **header: Any) -> str:
        """RS256 with the forger's own key, which the header brings along or says where to find."""
        said = _parts({"alg": "RS256", "kid": "mine", **header}, claims)
        return f"{said}.{text(self._key.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def header(self, **said: Any) -> str:
        """The first part of a token."""
        return text(json.dumps({"typ": "at+jwt", "alg": "RS256", **said}).encode())

    @contextmanager
    def key_server(self) -> Iterator[str]:
        """The forger's own JWKS, on a free port of this machine."""
        body = json.dumps({"keys": [self.jwk]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if is_stranger(self.headers):
                    self.send_error(403)
                    return
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing to say."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        finally:
            server.shutdown()
            server.server_close()


def crack(token: str) -> bytes | None:
    """The secret of an HS256 token, if it is a word."""
    signed, _, signature = token.rpartition(".")
    for word in WORDS:
        if text(hmac.digest(word.encode(), signed.encode(), hashlib.sha256)) == signature:
            return word.encode()
    return None
