"""What a sidecar tells its own service with each request: that it comes from the sidecar, and from nobody else.

The problem: the service listens on a port of this machine, and every process here can connect to it, past all that a
sidecar decides. The rule: sidecar and service were given the same secret when they were started; a request without it
is none of the mesh (the services refuse it). What a client sent under this name never gets through.
"""

from __future__ import annotations

from typing import Final, Literal

from gateway.filters.base import Build, Decision, Filter
from gateway.http.messages import Reply, Request
from gateway.spec.models import FilterSpec

HEADER: Final = b"x-gatehouse-sidecar"


class SidecarSecretSpec(FilterSpec):
    """There is nothing to say: the secret comes with the process, never with a configuration."""

    type: Literal["SidecarSecret"] = "SidecarSecret"


class SidecarSecret(Filter[SidecarSecretSpec]):
    """Adds the secret."""

    Spec = SidecarSecretSpec

    def __init__(self, spec: SidecarSecretSpec, build: Build) -> None:
        super().__init__(spec, build)
        if not build.app_secret:
            raise ValueError("SidecarSecret stands in a configuration of a process that is no sidecar")
        self._field = (HEADER, build.app_secret.encode("ascii"))
        self._line = b"%b: %b\r\n" % self._field

    def decide(self, request: Request) -> Decision:
        """Everybody may pass: others have decided."""
        return None

    def commit(self, request: Request) -> None:
        """Say it, in place of whatever a client said."""
        rendered, before = request.rendered, request.headers
        plain = rendered is not None and rendered[0] is before and HEADER not in request.fields
        request.replace_headers((*(field for field in before if field[0] != HEADER), self._field))
        if plain and rendered is not None and b"connection" not in request.fields:  # nothing to write anew
            request.rendered = request.headers, rendered[1] + self._line

    def explain(self, request: Request, reply: Reply | None) -> str:
        """What goes on."""
        return "tells the service that its sidecar sent this"
