"""docs/configuration.md names every key of every model with its default, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_core import PydanticUndefined

from gateway.spec import api_keys, caching, endpoints, filters, guards, mediation, models, tries, validation, webhooks
from gateway.spec.fields import parse_duration
from gateway.spec.models import Model, Spec

TEXT = (Path(__file__).parents[3] / "docs/configuration.md").read_text("utf-8")
SECTIONS: dict[str, type[Model]] = {
    "The file": Spec,
    "`listeners[]`": models.Listener,
    "`listeners[].tls`": models.ListenerTls,
    "`listeners[].tls.certificates[]` and `clusters[].tls.clientCertificate`": models.Certificate,
    "`listeners[].tls.clientCertificates`": models.ClientCertificates,
    "`listeners[].proxyProtocol`": models.ProxyProtocol,
    "`listeners[].forwardProxy`": models.ForwardProxy,
    "`listeners[].egress`": models.Egress,
    "`providers[]`": models.JwtProvider,
    "`providers[].revocation`": models.Revocation,
    "`providers[].jwks`": models.JwksSource,
    "`clusters[]`": models.Cluster,
    "`clusters[].endpoints[]`": endpoints.ClusterEndpoint,
    "`clusters[].hashOn`": endpoints.HashOn,
    "`clusters[].outlierDetection`": endpoints.OutlierDetection,
    "`clusters[].outlierDetection.successRate`": endpoints.SuccessRate,
    "`clusters[].healthCheck`": endpoints.HealthCheck,
    "`clusters[].forward`": models.Forward,
    "`clusters[].dns`": models.Dns,
    "`clusters[].addresses`": models.Addresses,
    "`clusters[].tls`": models.ClusterTls,
    "`clusters[].retryBudget`": tries.RetryBudget,
    "`stores[]`": models.Store,
    "`stores[].tls`": models.StoreTls,
    "`caches[]`": models.CacheZone,
    "`routes[]`": models.Route,
    "`routes[].matches[]`": models.Match,
    "`routes[].matches[].path`": models.PathMatch,
    "`routes[].matches[].headers[]` and `queryParams[]`": models.ValueMatch,
    "`routes[].backendRefs[]`": models.BackendRef,
    "`routes[].canary`": models.Canary,
    "`routes[].canary.header`": models.CanaryHeader,
    "`routes[].canary.rollback`": models.CanaryRollback,
    "`routes[].canary.rollback.latency`": models.CanaryLatency,
    "`routes[].timeouts`": models.Timeouts,
    "`routes[].sessionPersistence`": endpoints.SessionPersistence,
    "`routes[].sessionPersistence.cookieConfig`": endpoints.SessionCookie,
    "`routes[].retry`": tries.Retry,
    "`routes[].faults`": tries.Faults,
    "`routes[].faults.delay`": tries.DelayFault,
    "`routes[].faults.abort`": tries.AbortFault,
    "`routes[].webSocket`": models.WebSocket,
    "`tracing`": models.Tracing,
    "`accessLog`": models.AccessLog,
    "`type: JWT`": filters.Jwt,
    "`claimsToHeaders[]` of filters that authenticate": filters.ClaimToHeader,
    "`type: DPoP`": filters.Dpop,
    "`type: TokenIntrospection`": filters.TokenIntrospection,
    "`type: ApiKey`": filters.ApiKey,
    "`type: WebhookSignature`": webhooks.WebhookSignature,
    "`type: InternalToken`": filters.InternalToken,
    "`onward[]` of `type: InternalToken`": filters.OnwardToken,
    "`type: Jwks`": filters.Jwks,
    "The file of API keys": api_keys.KeyFile,
    "`keys[]` in the file of API keys": api_keys.StoredKey,
    "`type: Authorize`": filters.Authorize,
    "`type: AuthorizationPolicy`": filters.AuthorizationPolicy,
    "`deny[]` and `allow[]` of `type: AuthorizationPolicy`": filters.Rule,
    "`unless` of a rule": filters.Conditions,
    "`type: ExternalAuthorization`": filters.ExternalAuthorization,
    "`type: CORS`": filters.Cors,
    "`type: SecurityHeaders`": filters.SecurityHeaders,
    "`type: CSRF`": filters.Csrf,
    "`type: IpAccess`": filters.IpAccess,
    "`type: RateLimit`": filters.RateLimit,
    "`type: Quota`": filters.Quota,
    "`plans` of `type: Quota`": filters.Plan,
    "`type: ConcurrencyLimit`": filters.ConcurrencyLimit,
    "`type: SizeLimit`": filters.SizeLimit,
    "`key` of `type: RateLimit`, `Quota` and `ConcurrencyLimit`": filters.RateLimitKey,
    "`type: Cache`": caching.Cache,
    "`type: Compression`": caching.Compression,
    "`type: RequestMirror`": filters.RequestMirror,
    "`type: RequestHeaderModifier`": filters.RequestHeaderModifier,
    "`type: ResponseHeaderModifier`": filters.ResponseHeaderModifier,
    "`type: URLRewrite`": filters.UrlRewrite,
    "`type: RequestRedirect`": filters.RequestRedirect,
    "`path` of `type: URLRewrite` and `type: RequestRedirect`": filters.PathModifier,
    "`type: GraphQLGuard`": guards.GraphQLGuard,
    "`persisted` of `type: GraphQLGuard`": guards.PersistedQueries,
    "`rootFields[]` of `type: GraphQLGuard`": guards.RootField,
    "`type: SoapGuard`": guards.SoapGuard,
    "`operations[]` of `type: SoapGuard`": guards.SoapOperation,
    "`type: OpenApiValidation`": validation.OpenApiValidation,
    "`request` of `type: OpenApiValidation`": validation.RequestRules,
    "`response` of `type: OpenApiValidation`": validation.ResponseRules,
    "`type: SoapToRest`": mediation.SoapToRest,
    "`operations[]` of `type: SoapToRest`": mediation.RestOperation,
    "`faults[]` of `type: SoapToRest`": mediation.FaultRule,
    "`type: GraphQLToRest`": mediation.GraphQLToRest,
    "`queries[]` of `type: GraphQLToRest`": mediation.StoredQuery,
    "`variables` of a stored query": mediation.QueryVariable,
    "`errors[]` of `type: GraphQLToRest`": mediation.ErrorRule,
}


def table_below(heading: str) -> dict[str, tuple[str, str]]:
    """key → (default, meaning) of the first table below a heading."""
    section = re.split(r"^#+ ", TEXT.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) ?\|$", section, flags=re.MULTILINE)
    return {key: (default, meaning) for key, default, meaning in rows}


def agrees(documented: str, default: Any, field: Any) -> bool:
    """Whether what the page says is what the model does."""
    if default is PydanticUndefined:
        return documented == "required"
    if isinstance(default, Model):
        spelled = default.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False)
        return documented == "see below" or yaml.safe_load(documented.strip("`")) == spelled
    if default in (None, ""):
        return documented == "none"
    value = documented.strip("`")
    if any(getattr(one, "func", None) is parse_duration for one in field.metadata):
        return bool(parse_duration(value, _FROM_FILE) == default)
    if default == (models.Match(),):
        return value == "[{}]"
    loaded = yaml.safe_load(value)
    return bool((tuple(loaded) if isinstance(loaded, list) else loaded) == default)


class _FromFile:
    context = {"file": True}  # noqa: RUF012 - stands in for pydantic's ValidationInfo


_FROM_FILE: Any = _FromFile()


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_documented_with_its_default(heading: str) -> None:
    model = SECTIONS[heading]
    table = table_below(heading)
    written = {name: field for name, field in model.model_fields.items() if name not in models.FILLED_IN}
    fields = {field.alias or name: field for name, field in written.items()}
    assert list(table) == list(fields)
    for key, field in fields.items():
        documented, meaning = table[key]
        default = field.get_default(call_default_factory=True, validated_data={})
        assert agrees(documented, default, field), f"{key}: {documented} is not {default!r}"
        assert meaning or key == "type"


def test_every_model_is_documented() -> None:
    def below(model: type[Model]) -> set[type[Model]]:
        found = {one for one in model.__subclasses__() if one.__module__.startswith("gateway.spec")}
        return found.union(*map(below, found)) if found else set()

    bases: set[type[Model]] = {models.FilterSpec, filters.LimitSpec, filters.HeaderModifier, filters.Header}
    bases |= {mediation.Mediation, mediation.Offered, models.Leaving}
    assert below(Model) - bases == set(SECTIONS.values())


def test_the_example_loads(load_text: Any) -> None:
    example = re.search(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert example is not None
    assert load_text(example[1]).routes[0].name == "everything"
