"""Puts the storefront together: which address leads where."""

from __future__ import annotations

from aiohttp import web

from sample_services.kit.component import Component, schema_of
from sample_services.kit.service import Service
from sample_services.storefront.endpoint import GraphQLEndpoint
from sample_services.storefront.limits import NO_LIMITS, Limits
from sample_services.storefront.page import ShopPage
from sample_services.storefront.resolvers import RESOLVERS
from sample_services.storefront.schema import SDL, executable
from sample_services.storefront.seed import seed
from sample_services.storefront.static_files import StaticFiles


async def setup(service: Service) -> None:
    """Registers the routes. Anything wrong with schema, templates or files shows here, at start."""
    static = StaticFiles()
    limits = NO_LIMITS if service.weak("no-limits") else Limits()  # LAB: graphql-cost
    service.app.router.add_post("/graphql", GraphQLEndpoint(service, executable(RESOLVERS), limits).post)
    service.app.router.add_get("/schema.graphql", schema_text)
    service.app.router.add_get("/static/{name}", static.get)
    service.app.router.add_get("/", ShopPage(service, static).get)


async def schema_text(_request: web.Request) -> web.Response:
    """The contract with its documentation, as plain text, which browsers show instead of saving."""
    return web.Response(text=SDL, content_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


COMPONENT = Component("storefront", setup, schema_of("sample_services.storefront"), seed)
