"""Sticky sessions: a client's requests go to the endpoint that answered its first one (Gateway API, GEP-1619).

The problem: a service that keeps a cart in its own memory needs its clients back, and a cookie that says where they
were must not say what our endpoints' addresses are, nor let anybody find them out by trying. The rule: the cookie holds
a keyed digest (HMAC-SHA256) of cluster and address; the key is the installation's own and never leaves it. A value that
is no endpoint's, or one of an endpoint that is not usable now, counts for nothing: another is chosen as for anybody,
and the cookie says that one from then on.

The value proves nothing and opens nothing, so it needs no protection but that of any cookie: no script reads it, no
other site's request carries it, and on HTTPS it does not travel on HTTP.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.http.messages import Request
from gateway.spec.endpoints import SessionPersistence
from gateway.upstream.cluster import Cluster
from gateway.upstream.cookies import cookie
from gateway.upstream.endpoint import Endpoint

KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 16

Place = tuple[Cluster, Endpoint]


class Session:
    """The sessions of one route; nothing is kept of any of them."""

    def __init__(self, spec: SessionPersistence, route: str, clusters: Sequence[Cluster], key: bytes) -> None:
        name = spec.session_name or f"gatehouse-{route}"
        self._name = name.encode("ascii")
        self._clusters = clusters
        self._key = key
        self._lifetime = b""
        if spec.absolute_timeout is not None:
            self._lifetime = b"; Max-Age=%d" % spec.absolute_timeout
        self._seen: tuple[tuple[Endpoint, ...], ...] = ()
        self._places: dict[str, Place] = {}

    def place(self, request: Request) -> Place | None:
        """Where the client's session is; None when it has none, or where it was is gone or not usable."""
        value = cookie(request, self._name)
        found = None if value is None else self._known().get(value)
        return found if found is not None and found[0].uses(found[1]) else None

    def answered(self, request: Request, cluster: Cluster, endpoint: Endpoint) -> None:
        """An endpoint answers: the client shall come back to it, and is told so unless it knows."""
        value = self._value(cluster, endpoint)
        if cookie(request, self._name) != value:
            secure = b"; Secure" if request.scheme == "https" else b""
            flags = b"; Path=/; HttpOnly; SameSite=Lax" + secure + self._lifetime
            request.reply_headers.append((b"set-cookie", b"%b=%b%b" % (self._name, value.encode("ascii"), flags)))

    def _known(self) -> dict[str, Place]:
        """Every endpoint by its value; made anew when a cluster has others than before."""
        seen = tuple(cluster.endpoints for cluster in self._clusters)
        if len(seen) != len(self._seen) or any(one is not other for one, other in zip(seen, self._seen, strict=True)):
            self._seen = seen
            self._places = {
                self._value(cluster, endpoint): (cluster, endpoint)
                for cluster in self._clusters
                for endpoint in cluster.endpoints
            }
        return self._places

    def _value(self, cluster: Cluster, endpoint: Endpoint) -> str:
        digest = hmac.digest(self._key, f"{cluster.name}\0{endpoint.address}".encode(), "sha256")
        return urlsafe_b64encode(digest[:DIGEST_BYTES]).rstrip(b"=").decode("ascii")


def session_key(folder: Path | None) -> Callable[[], bytes]:
    """The installation's key, which all its workers share; made by the first one that needs it.

    It lies in `session.key` of the state directory. Without such a directory it lives as long as this process.
    """
    known = b""

    def key() -> bytes:
        nonlocal known
        known = known or (os.urandom(KEY_BYTES) if folder is None else _read_or_make(folder / "session.key"))
        return known

    return key


def _read_or_make(path: Path) -> bytes:
    """Whoever links its file there first has made the key; a file appears whole or not at all.

    Raises:
        OSError: it can neither be read nor written.
        ValueError: it is not as long as what we write.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
            os.link(draft, path)
        except FileExistsError:
            pass  # another worker was faster: its key is everybody's
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path.name} has {len(key)} bytes instead of {KEY_BYTES}: remove it, and a new one is made")
    return key
