"""ExternalAuthorization: somebody else decides (Envoy's ext_authz over HTTP; CUSTOM in Istio's order).

The problem: some decisions need what only another service knows: a session, a contract, a person's consent. The rule,
Envoy's: it is asked with the request's own method, path, host and Authorization, and the headers that are listed; 200
lets the request pass, and listed headers of that answer go to the upstream; every other answer is a refusal, with its
status and listed headers. No answer in time, or 5xx, lets nothing pass, unless `failureModeAllow` says otherwise.

Unlike Envoy the body of a refusal is ours, in the style of the route: it says who refused. A header of the answer that
the upstream believes never comes from the client, by no route (`gateway.spec.checks.identity`).
"""

from __future__ import annotations

import logging
from typing import Final

from gateway.filters.asking import Answer, Unanswered, ask
from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.claim_headers import give_upstream
from gateway.http.messages import Headers, Reply, Request
from gateway.spec.authorization import ExternalAuthorization

MAX_ASKING: Final = 256
"""Questions at one time."""
UNAVAILABLE: Final = Reply(503, "authorization_unavailable", "whether this is allowed cannot be asked at the moment")
OVERFLOW: Final = Reply(503, "authorization_overflow", "too many requests wait for permission at the moment")

log = logging.getLogger("gateway.authorization")


class ExternalAuthorizationFilter(Filter[ExternalAuthorization]):
    """Asks for every request."""

    Spec = ExternalAuthorization

    def __init__(self, spec: ExternalAuthorization, build: Build) -> None:
        super().__init__(spec, build)
        self._cluster = build.clusters[spec.cluster]
        self._results = build.metrics.authorizations
        self._sent = tuple(dict.fromkeys(("authorization", *spec.allowed_headers)))
        self._told = frozenset(name.encode().replace(b"_", b"-") for name in spec.allowed_upstream_headers)
        self._prefix = (spec.path_prefix or "").rstrip("/")
        self._asking = 0

    def decide(self, request: Request) -> Decision:
        """Always waits."""
        return self._decide(request)

    async def _decide(self, request: Request) -> Verdict:
        if self._asking >= MAX_ASKING:
            return OVERFLOW
        self._asking += 1
        try:
            answer = await self._ask(request)
        except Unanswered as error:
            return self._failed(request, error)
        finally:
            self._asking -= 1
        return self._allowed(request, answer) if answer.status == 200 else self._denied(answer)

    async def _ask(self, request: Request) -> Answer:
        target = self._prefix + request.path + (f"?{request.query}" if request.query else "")
        headers = {"host": request.host} if request.host else {}
        headers |= {"x-forwarded-for": request.client, "x-forwarded-proto": request.scheme}
        for name in self._sent:
            values = request.all(name.encode())
            if values:
                headers[name] = ", ".join(value.decode("latin-1") for value in values)
        answer = await ask(self._cluster, request.method, target, timeout=self.spec.timeout, headers=headers)
        if answer.status >= 500:
            raise Unanswered(f"status {answer.status}")
        return answer

    def _allowed(self, request: Request, answer: Answer) -> Verdict:
        self._results.add(self.spec.cluster, "allowed")
        give_upstream(request, self._told, _fields(answer, self.spec.allowed_upstream_headers))
        return None

    def _denied(self, answer: Answer) -> Reply:
        self._results.add(self.spec.cluster, "denied")
        status = answer.status if 300 <= answer.status < 500 else 403
        headers = tuple(_fields(answer, self.spec.allowed_client_headers))
        return Reply(status, "authorization_denied", f"{self.spec.cluster} refuses this", headers)

    def _failed(self, request: Request, error: Unanswered) -> Verdict:
        log.warning("authorization by %s: %s", self.spec.cluster, error)
        if not self.spec.failure_mode_allow:
            self._results.add(self.spec.cluster, "failed")
            return UNAVAILABLE
        self._results.add(self.spec.cluster, "failed_open")
        give_upstream(request, self._told, [])
        return None

    def kept_with(self, build: Build) -> bool:
        """Only while the service that is asked is the same."""
        return build.clusters.get(self.spec.cluster) is self._cluster

    def explain(self, request: Request, reply: Verdict) -> str:
        """Who was asked, and what was said."""
        return f"{self.spec.cluster} lets it pass" if reply is None else reply.detail


def _fields(answer: Answer, names: tuple[str, ...]) -> Headers:
    """The fields of these names, every value of each."""
    return [(name.encode(), value) for name in names for value in answer.all(name.encode())]
