"""Asking a helper over HTTP: an issuer for its keys or a token's state, a service whether a request may pass.

The problem: a helper that is slow, sends elsewhere or answers without end takes the gateway with it. The rule: it is
an endpoint of a cluster in the configuration; redirects are not followed; time and size are bounded; when one
endpoint cannot be connected to, the next is tried. Whatever goes wrong is one exception, in words for the log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.spec.certificates import Unusable
from gateway.upstream.cluster import Cluster
from gateway.upstream.endpoint import Endpoint

if TYPE_CHECKING:
    import aiohttp
    from multidict import CIMultiDictProxy

MAX_BYTES: Final = 65_536
MAX_TRIES: Final = 3


class Unanswered(Exception):
    """There is no usable answer, and why."""


class Answer(NamedTuple):
    """What a helper said."""

    status: int
    headers: CIMultiDictProxy[str]
    """Looked up without regard to case."""
    body: bytes


def prepare() -> None:
    """Import the client now: it takes half a second that no request should wait for."""
    import aiohttp  # noqa: F401


async def ask(
    cluster: Cluster,
    method: str,
    path: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """The answer of one of the cluster's endpoints; `timeout` in seconds covers all of it, `path` goes out as it is.

    Raises:
        Unanswered: nobody can be connected to, time is up, or the answer is larger than 64 KiB or none at all.
    """
    import aiohttp

    await _found(cluster, timeout)
    limit = aiohttp.ClientTimeout(total=timeout)
    last: Exception | None = None
    plain = {"Accept-Encoding": "identity"}  # what is inflated has no size before it has taken its memory
    async with aiohttp.ClientSession(timeout=limit, auto_decompress=False, headers=plain) as session:
        for endpoint in cluster.endpoints[:MAX_TRIES]:
            try:
                return await _once(session, cluster, endpoint, method, path, headers, body)
            except aiohttp.ClientConnectorError as error:
                last = error
            except (aiohttp.ClientError, TimeoutError, Unusable, OSError) as error:
                raise Unanswered(str(error) or type(error).__name__) from error
    raise Unanswered(str(last)) from last


async def _found(cluster: Cluster, timeout: float) -> None:
    """Endpoints are there; those that are found by name may need a moment at the start."""
    if not cluster.endpoints and cluster.discovery is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await cluster.discovery.answered.wait()
    if not cluster.endpoints:
        raise Unanswered("its cluster has no endpoint")


async def _once(
    session: aiohttp.ClientSession,
    cluster: Cluster,
    endpoint: Endpoint,
    method: str,
    path: str,
    headers: Mapping[str, str] | None,
    body: bytes | None,
) -> Answer:
    from yarl import URL

    tls = cluster.tls.options(endpoint.server_name) if cluster.tls else {}
    if endpoint.authority != endpoint.address:  # connected to by address, spoken to by name
        host = endpoint.server_name if endpoint.port == (443 if tls else 80) else endpoint.authority
        headers = {"host": host, **(headers or {})}
    url = URL(f"{'https' if tls else 'http'}://{endpoint.address}{path}", encoded=True)
    async with session.request(method, url, headers=headers, data=body, allow_redirects=False, **tls) as answer:
        content = await answer.content.read(MAX_BYTES + 1)
        while len(content) <= MAX_BYTES and not answer.content.at_eof():
            content += await answer.content.read(MAX_BYTES + 1 - len(content))
        if len(content) > MAX_BYTES:
            raise Unanswered(f"more than {MAX_BYTES} bytes")
        return Answer(answer.status, answer.headers, content)
