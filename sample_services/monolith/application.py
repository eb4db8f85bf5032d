"""Puts the monolith together: modules, one database, one address.

    clients ─▶ one port ─▶ public routes of all modules ┐
                                                        ├─ one process, one database
    module ─▶ internal API of another module, in memory ┘
       └────▶ identity, a process of its own, over the network

Each module is set up by its own code, with a `Service` like any other, and has an application of its own: that is its
internal API. The public routes among them are served by the port, too. The internal APIs make modules, and no
microservices: nobody can start, stop, scale or deploy one of them, and all of them end together.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web

from sample_services.kit.component import Component
from sample_services.kit.service import Service, runner_of
from sample_services.kit.settings import Settings
from sample_services.monolith.front import add_front
from sample_services.monolith.memory import InProcess, address
from sample_services.monolith.modules import MODULES, Module
from sample_services.monolith.tables import joined, seed_new

DESCRIPTION: Final = "/openapi.json"


async def setup(service: Service) -> None:
    """Makes the modules and serves what they have for strangers."""
    settings = {module.name: settings_of(module, service.settings) for module in MODULES}
    pairs = [(module.component, settings[module.name]) for module in MODULES]
    if new := await service.db.write(seed_new, pairs):
        service.log.info("modules seeded", extra={"modules": new})
    add_front(service)
    servers: dict[str, web.Server] = {}
    for module in MODULES:
        caller = InProcess(module.name, servers)
        inside = Service(settings[module.name], logging.getLogger(module.name), host=service, connector=caller)
        await module.component.setup(inside)
        servers[module.name] = await _server_of(inside.app, service)
        publish(module, inside.app, service.app)


async def _server_of(app: web.Application, host: Service) -> web.Server:
    """A module's internal API; it ends with the host, after background work, and before whoever might call it."""
    runner = runner_of(app)
    await runner.setup()
    host.closing.push_async_callback(runner.cleanup)
    assert runner.server is not None
    return runner.server


def settings_of(module: Module, settings: Settings) -> Settings:
    """What a module is told: its own name, options and client secret, and the others' addresses in memory."""
    inside = {other.name: address(other.name) for other in MODULES if other is not module}
    own = f"{module.name}."
    secret: dict[str, object] = {"clients": {}, "client_secret": settings.secrets.clients.get(module.name)}
    return settings.model_copy(
        update={
            "service": module.name,
            "peers": {**settings.peers, **inside},
            "secrets": settings.secrets.model_copy(update=secret),
            "options": {
                name.removeprefix(own): value for name, value in settings.options.items() if name.startswith(own)
            },
        }
    )


def publish(module: Module, inside: web.Application, outside: web.Application) -> None:
    """Serve the module's public routes, and its description under its name."""
    for resource in inside.router.resources():
        if resource.canonical == DESCRIPTION and module.public:
            for route in resource:
                outside.router.add_route(route.method, f"/{module.name}{DESCRIPTION}", route.handler)
        elif module.publishes(resource.canonical):
            outside.router.register_resource(resource)


COMPONENT = Component("monolith", setup, joined([module.component for module in MODULES]))
