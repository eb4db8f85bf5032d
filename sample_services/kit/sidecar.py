"""In a mesh a service takes requests from its own sidecar and from nobody else.

The problem: the port of a service is open to every process of its machine, past all that the sidecar decides. The
rule: the sidecar says a secret that only the two were told; a request without it is refused and counted, before
anything else of it is looked at. Outside of a mesh nobody has told a secret, and nothing is asked. The probes are
left out: whoever watches processes must be able to ask whether this one is alive.

The other way round it is the same: whoever could use the sidecar's ports would speak with this service's identity. So
calls to peers bring the secret, too (`kit.client`).
"""

from __future__ import annotations

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sample_services.kit.metrics import Metrics
from sample_services.kit.observe import PROBES
from sample_services.kit.problems import Problem

HEADER = "X-Gatehouse-Sidecar"
"""Says that a request comes from the own sidecar."""
CALLER = "X-Gatehouse-Service"
"""Tells the own sidecar that a call comes from its service; it ends there."""


def only_from_sidecar(secret: str, metrics: Metrics) -> Middleware:
    """For `web.Application(middlewares=[…])`, behind what turns problems into answers."""
    expected = secret.encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.getall(HEADER, [])
        if request.path not in PROBES and not (len(given) == 1 and _same(given[0], expected)):
            metrics.not_from_sidecar.inc()
            raise Problem(403, "not_from_sidecar", "this service is one of a mesh: only its own sidecar may call it")
        return await handler(request)

    return check


def _same(given: str, expected: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected)
