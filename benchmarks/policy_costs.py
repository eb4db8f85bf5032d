"""What each policy costs, alone and in the chain: whole requests without sockets, with the policy and without it.

The problem: a filter that decides in a microsecond may still cost three, by headers that it makes anew or by an answer
that it wants to see. The rule: the same request goes through the same worker twice, once on a route with the policy
and once on one without; the difference is what the policy costs. "Alone" the route has nothing else; "in the chain"
it stands with JWT, Authorize and RateLimit. Left out are policies that ask somebody over the network, which is their
cost, and those that answer themselves (a redirect, an answer from the cache: benchmarks.micro).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.micro_steps import Taker
from benchmarks.policy_cases import BEFORE, CHAIN, DOCUMENT, POLICIES, Case
from benchmarks.policy_requests import KEY, Say
from benchmarks.work import Work
from gateway.compile.load import load_text
from gateway.filters.provider import read_keys
from gateway.http.client import ClientConnection
from gateway.http.server import ServerConnection
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker
from gateway.spec.api_keys import digest

PROOFS = ("JWT", "ApiKey", "WebhookSignature")
"""A route that has one of these is not public."""


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU."""

    policy: str
    alone: float
    in_chain: float | None
    """None for a policy that is a part of the chain itself."""


class Side:
    """A worker with one route, one client's and one upstream's connection."""

    def __init__(self, work: Work, filters: str, say: Say, answer: bytes) -> None:
        public = "" if any(one in filters for one in PROOFS) else "public: true, "
        text = (
            "listeners: [{name: public, port: 8088}, {name: internal, port: 8089}]\n"
            'clusters: [{name: b, endpoints: ["127.0.0.1:9"]}]\n'
            "providers: [{name: p, issuer: 'https://id.local', audiences: [gw], algorithms: [RS256], "
            "jwks: {cluster: b, path: /jwks.json}}]\n"
            "caches: [{name: main}]\n"
            "routes:\n"
            "  - {name: keys, listeners: [internal], public: true, filters: [{type: Jwks}]}\n"
            f"  - {{name: all, listeners: [public], {public}filters: [{filters}], backendRefs: [{{cluster: b}}]}}\n"
        )
        worker = Worker("micro", time.monotonic, Random(1), None)
        worker.apply(load_text(text, "micro.yaml", {}, work.directory), {}, 1)
        for provider in worker.snapshot.providers.values():
            provider.keys, provider.generation = read_keys(work.jwks.encode(), ("RS256",)), 1
        self.worker = worker
        listener = Listener(worker.snapshot.spec.listeners[0], worker)
        self.client, self.to_client = ServerConnection(listener), Taker()
        self.client.connection_made(self.to_client)
        endpoint = worker.snapshot.clusters["b"].endpoints[0]
        self.upstream = ClientConnection(endpoint)
        self.upstream.connection_made(Taker())
        endpoint.open += 1
        endpoint.idle.append(self.upstream)
        self.say, self.answer = say, answer

    async def close(self) -> None:
        """End what asks for keys."""
        for provider in self.worker.snapshot.providers.values():
            await provider.close()

    def once(self) -> None:
        """One request and its answer."""
        self.client.data_received(self.say())
        self.upstream.data_received(self.answer)

    def check(self, what: str) -> None:
        """Make sure that the policy lets it pass.

        Raises:
            RuntimeError: it does not.
        """
        self.client.data_received(self.say())
        if self.upstream.caller is not None:
            self.upstream.data_received(self.answer)
        if not self.to_client.last.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"this is not what shall be measured: {what}: {self.to_client.last[:500]!r}")


Compare = Callable[[Callable[[], object], Callable[[], object], int], float]
"""How many microseconds a call of the first takes more than one of the second (benchmarks.timing)."""


async def policy_costs(work: Work, compare: Compare, count: int) -> list[Cost]:
    """Each policy's cost."""
    stored = {"id": KEY.split("_")[1], "sha256": digest(KEY.encode()), "owner": "a", "created": "2026-01-01T00:00:00Z"}
    (work.directory / "orders.json").write_text(json.dumps(DOCUMENT))
    (work.directory / "keys.json").write_text(json.dumps({"keys": [stored]}))

    async def more(case: Case, filters: str, base: str) -> float:
        few = max(1, count // case.rare)
        policy = Side(work, filters, case.asks(work, few), case.answer)
        without = Side(work, base, (case.without or case.asks)(work, few), case.answer)
        policy.check(filters)
        without.check(base)
        took = compare(policy.once, without.once, few)
        await policy.close()
        await without.close()
        return took

    return [
        Cost(name, await more(case, *_alone(case)), await more(case, *_in_chain(case)) if case.chained else None)
        for name, case in POLICIES.items()
    ]


def _alone(case: Case) -> tuple[str, str]:
    """The filters with the policy, and those without."""
    return (f"{case.before}, {case.policy}", BEFORE) if case.before else (case.policy, "")


def _in_chain(case: Case) -> tuple[str, str]:
    """Some policies must stand in front of the token's check, others behind."""
    if case.before:
        return f"{CHAIN.replace(BEFORE, case.before)}, {case.policy}", CHAIN
    return f"{case.policy}, {CHAIN}", CHAIN


def as_lines(costs: Sequence[Cost]) -> list[str]:
    """A table."""
    head = f"  {'µs of CPU for a request that passes':44}{'alone':>8}{'in the chain':>14}"
    return [head, *(_line(one) for one in costs)]


def _line(one: Cost) -> str:
    chain = "–" if one.in_chain is None else f"{one.in_chain:.1f}"
    return f"  {one.policy:44}{one.alone:>8.1f}{chain:>14}"
