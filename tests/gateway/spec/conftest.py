"""Loading as tests do it: with the models of our own filters, and one variable set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.spec import caching, filters, guards, mediation, validation, webhooks
from gateway.spec.loader import load
from gateway.spec.models import FilterSpec, Spec

_MODELS = (
    filters.Jwt,
    filters.ApiKey,
    filters.TokenIntrospection,
    filters.Dpop,
    filters.InternalToken,
    filters.Jwks,
    webhooks.WebhookSignature,
    filters.Authorize,
    filters.AuthorizationPolicy,
    filters.ExternalAuthorization,
    filters.Cors,
    filters.SecurityHeaders,
    filters.Csrf,
    filters.IpAccess,
    filters.RateLimit,
    filters.Quota,
    filters.ConcurrencyLimit,
    filters.SizeLimit,
    filters.RequestMirror,
    filters.RequestHeaderModifier,
    filters.ResponseHeaderModifier,
    filters.UrlRewrite,
    filters.RequestRedirect,
    guards.GraphQLGuard,
    guards.SoapGuard,
    validation.OpenApiValidation,
    mediation.SoapToRest,
    mediation.GraphQLToRest,
    caching.Cache,
    caching.Compression,
)
_VARIABLES = {"PORT": "8088", "EMPTY": "", "WORD": "yes"}


@pytest.fixture(scope="session")
def filter_types() -> dict[str, type[FilterSpec]]:
    return {str(model.model_fields["type"].default): model for model in _MODELS}


@pytest.fixture(scope="session")
def load_text(filter_types: dict[str, type[FilterSpec]]) -> Callable[[str], Spec]:
    return lambda text: load(text, "shop.yaml", _VARIABLES, filter_types)


@pytest.fixture(scope="session")
def load_path(filter_types: dict[str, type[FilterSpec]]) -> Callable[[Path], Spec]:
    return lambda path: load(path.read_text("utf-8"), path.name, _VARIABLES, filter_types, folder=path.parent)
