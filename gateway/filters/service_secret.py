"""Who speaks with a service's identity: that service, and no other process of this machine.

The problem: whatever comes to a sidecar's outbound listener goes out under the identity of its service, and every
process of this machine can connect to that listener. The rule: the service says the secret that it shares with its
sidecar with each call; without it nothing goes out. The header ends here (`gateway.http.hop`): nobody else learns it.
"""

from __future__ import annotations

import hmac
from typing import Final, Literal

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Reply, Request
from gateway.spec.models import FilterSpec

HEADER: Final = b"x-gatehouse-service"
NOT_FROM_SERVICE: Final = Reply(403, "not_from_service", "this listener is for the service beside it alone")


class ServiceSecretSpec(FilterSpec):
    """There is nothing to say: the secret comes with the process, never with a configuration."""

    type: Literal["ServiceSecret"] = "ServiceSecret"


class ServiceSecret(Filter[ServiceSecretSpec]):
    """Lets nobody pass but the sidecar's own service."""

    Spec = ServiceSecretSpec

    def __init__(self, spec: ServiceSecretSpec, build: Build) -> None:
        super().__init__(spec, build)
        if not build.app_secret:
            raise ValueError("ServiceSecret stands in a configuration of a process that is no sidecar")
        self._secret = build.app_secret.encode("ascii")

    def decide(self, request: Request) -> Decision:
        """Pass or 403."""
        given = request.fields.get(HEADER, b"")
        known = hmac.compare_digest(given, self._secret)
        if known and (len(request.fields) == len(request.headers) or len(request.all(HEADER)) == 1):
            return None
        return NOT_FROM_SERVICE

    def explain(self, request: Request, reply: Verdict) -> str:
        """What came, and nothing of its value."""
        given = len(request.all(HEADER))
        if reply is None:
            return "said by the service itself"
        return "the secret of the pair is wrong" if given == 1 else f"the secret of the pair came {given} times"
