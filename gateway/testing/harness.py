"""Gateways, services and issuers of one test, and their end.

The problem: a configuration for tests that is written beside the real one tests something else. The rule: the very file
that runs can be given; what stands around it is replaced by name: the endpoints of clusters, the keys of issuers. Ports
are always free ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from types import TracebackType
from typing import Any, Self

import yaml

from gateway.compile.filter_class import class_problem
from gateway.compile.load import load_text
from gateway.compile.table import filter_classes
from gateway.compile.trial import without_stores
from gateway.filters.chain import AnyFilter
from gateway.spec.endpoints import ClusterEndpoint
from gateway.spec.errors import UnusableFilter
from gateway.spec.models import Cluster, JwksSource, JwtProvider, Spec
from gateway.spec.reading import read_file
from gateway.testing.clock import Clock
from gateway.testing.gateway import Gateway
from gateway.testing.issuer import JWKS_PATH, Issuer
from gateway.testing.loop import LoopThread
from gateway.testing.upstream import Upstream

Config = str | Path | Mapping[str, Any]
"""The text of a configuration, the path of one, or what one says as a dictionary."""


class Gatehouse:
    """Call it with a configuration, and a gateway runs; all of it ends with the test."""

    def __init__(self, clock: Clock | None = None) -> None:
        """With a clock, time stands still for gateways and issuers until the test lets it pass."""
        self.clock = clock
        self._thread = LoopThread()
        self._gateways: list[Gateway] = []
        self._upstreams: list[Upstream] = []
        self._replaced: dict[str, Any] = {}

    def __call__(
        self,
        config: Config,
        *,
        variables: Mapping[str, str] | None = None,
        clusters: Mapping[str, Upstream | str] | None = None,
        issuers: Mapping[str, Issuer] | None = None,
        stores: Mapping[str, str] | None = None,
        filters: Mapping[str, type[AnyFilter]] | None = None,
    ) -> Gateway:
        """A gateway with this configuration.

        Args:
            config: its text, its path (also as text of one line that ends in `.yaml`), or its content.
            variables: what `${NAME}` stands for.
            clusters: whom clusters lead to, in place of what the configuration says.
            issuers: who stands for a provider; it takes over the provider's issuer and audience.
            stores: addresses of Redis servers for stores; limits in a store of the supervisor's Redis, which is not
                there, count in the gateway itself unless it is named here.
            filters: classes of filters by type that no package brings, or in place of installed ones.

        Raises:
            SpecErrors: everything that is wrong with the configuration, each with its line.
            UnusableFilter: one of `filters` is no filter.
            ValueError: `clusters` or `issuers` names what the configuration has not; a filter cannot be made.
        """
        self._take(filters or {})
        spec = self._read(config, variables=variables, clusters=clusters, issuers=issuers, stores=stores)
        self._gateways.append(Gateway(self._thread, spec, self.clock, self._read))
        return self._gateways[-1]

    def upstream(self) -> Upstream:
        """One more service."""
        self._upstreams.append(Upstream(self._thread))
        return self._upstreams[-1]

    def issuer(self, name: str = "https://issuer.test", audience: str = "tests") -> Issuer:
        """One more issuer of tokens."""
        one = Issuer(self._thread, self.clock, name=name, audience=audience)
        self._upstreams.append(one.server)
        return one

    def _take(self, filters: Mapping[str, type[AnyFilter]]) -> None:
        classes = filter_classes()
        for name, one in filters.items():
            if problem := class_problem(name, one):
                raise UnusableFilter(f'filter type "{name}" cannot be used: {problem}')
            self._replaced.setdefault(name, classes.raw(name))
            classes[name] = one

    def _read(
        self,
        config: Config,
        *,
        variables: Mapping[str, str] | None = None,
        clusters: Mapping[str, Upstream | str] | None = None,
        issuers: Mapping[str, Issuer] | None = None,
        stores: Mapping[str, str] | None = None,
    ) -> Spec:
        text, file, folder = _text_of(config)
        spec = load_text(text, file, variables or {}, folder)
        addresses = {name: one if isinstance(one, str) else one.address for name, one in (clusters or {}).items()}
        return _with_issuers(_with_clusters(_with_stores(spec, stores or {}), addresses), issuers or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything."""
        try:
            for gateway in self._gateways:
                gateway.close()
            for upstream in self._upstreams:
                upstream.stop()
        finally:
            for name, before in self._replaced.items():
                filter_classes().put_back(name, before)
            self._thread.close()


def _text_of(config: Config) -> tuple[str, str, Path | None]:
    """Text, name for errors, and the folder where its files are."""
    if isinstance(config, str) and "\n" not in config and config.endswith((".yaml", ".yml")):
        config = Path(config)
    if isinstance(config, Path):
        return read_file(config), config.name, config.parent
    if isinstance(config, str):
        return dedent(config), "test.yaml", None
    return yaml.safe_dump(dict(config), sort_keys=False), "test.yaml", None


def _with_clusters(spec: Spec, addresses: Mapping[str, str]) -> Spec:
    _known(addresses, [one.name for one in spec.clusters], "cluster")
    changed = [
        one.model_copy(
            update={
                "endpoints": (ClusterEndpoint(address=addresses[one.name]),),
                "service": None,
                "tls": None,
                "forward": None,
                "addresses": None,
                "health_check": None,  # a service that a test sees through must be asked by nobody else
            }
        )
        if one.name in addresses
        else one
        for one in spec.clusters
    ]
    return spec.model_copy(update={"clusters": tuple(changed)})


def _with_stores(spec: Spec, addresses: Mapping[str, str]) -> Spec:
    _known(addresses, [one.name for one in spec.stores], "store")
    changed = [
        one.model_copy(update={"address": addresses[one.name], "service": None, "tls": None})
        if one.name in addresses
        else one
        for one in spec.stores
    ]
    kept = [one.name for one in changed if one.service is None]
    return without_stores(spec.model_copy(update={"stores": tuple(changed)}), kept)


def _with_issuers(spec: Spec, issuers: Mapping[str, Issuer]) -> Spec:
    """Each named provider gets its keys from the issuer, which in turn says what the provider wants to hear."""
    _known(issuers, [one.name for one in spec.providers], "provider")
    clusters, providers = list(spec.clusters), []
    for one in spec.providers:
        issuer = issuers.get(one.name)
        if issuer is not None:
            issuer.name, issuer.audience = one.issuer, one.audiences[0]
            clusters.append(Cluster(name=f"keys-of-{one.name}"[:63], endpoints=(issuer.address,)))
        providers.append(one if issuer is None else _keys_from(one, clusters[-1].name))
    return spec.model_copy(update={"clusters": tuple(clusters), "providers": tuple(providers)})


def _keys_from(provider: JwtProvider, cluster: str) -> JwtProvider:
    return provider.model_copy(update={"algorithms": ("EdDSA",), "jwks": JwksSource(cluster=cluster, path=JWKS_PATH)})


def _known(named: Mapping[str, Any], there: list[str], what: str) -> None:
    for name in named:
        if name not in there:
            raise ValueError(f'the configuration has no {what} "{name}"; it has {", ".join(there) or "none"}')
