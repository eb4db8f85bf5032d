"""Who asks, and what has been fetched for them so far: one of these per operation, thrown away with it."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

from graphql import GraphQLResolveInfo

from sample_services.kit.auth import Claims
from sample_services.kit.problems import Problem
from sample_services.kit.service import Service
from sample_services.storefront.deputy import DEPUTY
from sample_services.storefront.loaders import Loaders
from sample_services.storefront.upstream import OrdersApi, ProfilesApi, RecommendationsApi


class Context:
    """Passed to every resolver. `claims` is None when the caller sent no token."""

    def __init__(self, service: Service, claims: Claims | None) -> None:
        token = claims.token if claims else None
        if service.weak("one-token-for-all"):  # LAB: confused-deputy
            token = DEPUTY.token(claims)
        self.db = service.db
        self.telemetry = service.telemetry
        self.claims = claims
        self.orders = OrdersApi(service.http, token)
        self.profiles = ProfilesApi(service.http, token)
        self.recommendations = RecommendationsApi(service.http)

    @cached_property
    def loaders(self) -> Loaders:
        """Batches and remembers what this operation reads."""
        return Loaders(self.db, self.orders, self.profiles, self.recommendations, self.telemetry)

    def caller(self, scope: str | None = None) -> Claims:
        """The verified caller. The other services check the token again: they never trust this one's word.

        Raises:
            Problem: 401 without a token, 403 without the scope.
        """
        if self.claims is None:
            raise Problem(401, "token_missing", "This field needs an access token in the Authorization header.")
        if scope is not None and scope not in self.claims.scopes:
            raise Problem(403, "insufficient_scope", f"This field needs the scope {scope}.")
        return self.claims


Info: TypeAlias = GraphQLResolveInfo[Context]
"""What graphql-core passes to resolvers; `info.context` is a Context."""
