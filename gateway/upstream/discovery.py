"""Endpoints that are given by host name: which addresses they have now.

The problem: whoever connects to a name connects to whatever it resolves to in that moment: unseen by balancing and
health, at the price of a question per connection, and to an address that nobody has judged. The rule: names are
resolved beside the requests, again and again; every address becomes an endpoint, judged by the cluster's policy, and
what is connected to is that address and nothing else (no gap between the check and the use). What others must be told
(Host, SNI, the name in the certificate) stays the name: `Cluster.authorities` has it by address.

What failed changes nothing: the last good addresses serve on, and it is counted. Before the first answer requests wait
in the cluster's queue, as they do for a connection. Addresses that are gone are drained (`Cluster.replace_endpoints`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from gateway.observability.registry import Counter
from gateway.spec.addresses import AddressPolicy
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.endpoint import split_address
from gateway.upstream.resolver import Listed, Resolver, Unresolved

if TYPE_CHECKING:
    from gateway.upstream.cluster import Cluster

log = logging.getLogger("gateway.dns")

NOT_ALLOWED: Final = "egress_address_denied"
NO_ANSWER: Final = "dns_failure"


def needs_discovery(spec: ClusterSpec) -> bool:
    """Whether some endpoint is a name, or all must be judged; `localhost` alone is connected to as it is."""
    return spec.addresses is not None or any(_is_name(split_address(one)[0]) for one in spec.listed)


def _is_name(host: str) -> bool:
    return host != "localhost" and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Discovery:
    """Keeps the endpoints of one cluster what their names say."""

    def __init__(
        self,
        spec: ClusterSpec,
        resolver: Resolver,
        results: Counter,
        *,
        lasting: bool = True,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`lasting`: ask again also while there was never an answer; `changed` is called after new endpoints."""
        self.spec = spec
        self._resolver = Listed(spec.dns.hosts, resolver) if spec.dns.hosts else resolver
        self._policy = AddressPolicy(spec.addresses.allow, spec.addresses.deny) if spec.addresses else None
        self._results = results
        self._lasting = lasting
        self._changed = changed
        self._known: dict[str, tuple[str, ...]] = {}
        self._failure = ""
        self._told: dict[str, str] = {}
        """What was logged last of each name: the same again every few seconds is no news."""
        self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self.answered = asyncio.Event()
        """Set when the first answers are there, good or bad."""

    def __repr__(self) -> str:
        return f"<Discovery {self.spec.name} {self._known}>"

    @property
    def failed(self) -> bool:
        """Whether it gave up: there was no address to connect to, and nobody asks again."""
        return not self._lasting and self.answered.is_set() and not self._known

    def continue_from(self, other: Discovery) -> None:
        """Begin with what was known before a reload, as far as the policy of now allows it."""
        for host, addresses in dict(other._known).items():  # compiled in a thread, beside the other's asking
            allowed = self._allowed(host, addresses)
            if allowed:
                self._known[host] = allowed

    def start(self, cluster: Cluster) -> None:
        """Begin to ask, once."""
        if self._task is None:
            if self._known:
                self._tell(cluster)
            self._task = asyncio.get_running_loop().create_task(self._run(cluster))

    def stop(self) -> None:
        """Ask no more; a first answer that requests wait for is still waited for."""
        self._lasting, self._stopped = False, True
        if self._task is not None and self.answered.is_set():
            self._task.cancel()

    async def _run(self, cluster: Cluster) -> None:
        while True:
            good = await self.refresh(cluster)
            if self._stopped or not (self._known or self._lasting):
                return
            await asyncio.sleep(self.spec.dns.refresh if good else self.spec.dns.retry)

    async def refresh(self, cluster: Cluster) -> bool:
        """Ask for all names at once; whether each had an answer."""
        hosts = dict.fromkeys(split_address(one)[0] for one in self.spec.listed)
        good = all(await asyncio.gather(*map(self._ask, hosts)))
        self._tell(cluster)
        return good

    async def _ask(self, host: str) -> bool:
        try:
            found = await self._addresses(host)
        except Unresolved as error:
            self._missed(host, error.reason)
            return False
        except Exception:  # a resolver's own fault must not end the asking
            log.exception("cluster %s: the resolver failed", self.spec.name)
            self._missed(host, "failed")
            return False
        allowed = self._allowed(host, found)
        if not allowed:
            self._results.add(self.spec.name, "denied")
            self._failure = NOT_ALLOWED
            return False
        self._results.add(self.spec.name, "unchanged" if self._known.get(host) == allowed else "changed")
        self._known[host] = allowed
        if len(allowed) == len(set(found)):
            self._told.pop(host, None)
        return True

    async def _addresses(self, host: str) -> Sequence[str]:
        if _is_address(host) or (self._policy is None and host == "localhost"):
            return (host,)
        try:
            async with asyncio.timeout(self.spec.dns.timeout):
                return await self._resolver.resolve(host, self.spec.dns.family)
        except TimeoutError:
            raise Unresolved("timeout") from None

    def _allowed(self, host: str, found: Sequence[str]) -> tuple[str, ...]:
        """Those that the policy lets pass; always in the same order, so that a bound keeps the same ones."""
        refused = {one: why for one in found if (why := self._policy.refusal(one) if self._policy else "")}
        if refused:
            told = ", ".join(f"{one} ({why})" for one, why in list(refused.items())[:3])
            self._tell_once(host, f"resolves to what is not allowed: {told}")
        return tuple(sorted(set(found) - refused.keys())[: self.spec.dns.max_addresses])

    def _missed(self, host: str, reason: str) -> None:
        self._failure = NO_ANSWER
        self._results.add(self.spec.name, reason)
        kept = "; the addresses before stay in use" if host in self._known else ""
        self._tell_once(host, f"is not resolved: {reason}{kept}")

    def _tell_once(self, host: str, what: str) -> None:
        if self._told.get(host) != what:
            self._told[host] = what
            log.warning("cluster %s: %s %s", self.spec.name, host, what)

    def _tell(self, cluster: Cluster) -> None:
        """Give the cluster its endpoints, and those who waited for the first ones a connection or a reason."""
        authorities: dict[str, str] = {}
        for one in self.spec.listed:
            host, port = split_address(one)
            for address in self._known.get(host, ()):
                authorities.setdefault(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", one)
        if tuple(authorities) != tuple(one.address for one in cluster.endpoints):
            cluster.authorities = authorities
            cluster.replace_endpoints(tuple(authorities))
            self._changed()
        cluster.absence = self._failure if not authorities else "no_endpoint"
        if not self.answered.is_set():
            self.answered.set()
            cluster.endpoints_known()
