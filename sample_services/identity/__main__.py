"""Starts the identity service: puts its parts together."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from importlib import resources

from aiohttp import web

from sample_services.identity.api_keys import KeyApi
from sample_services.identity.api_tokens import TokenApi
from sample_services.identity.api_users import UserApi
from sample_services.identity.audit import Audit
from sample_services.identity.issuing import Issuer
from sample_services.identity.keyring import KeyRing, load_keys
from sample_services.identity.oauth import ClientAuthentication
from sample_services.identity.passwords import Passwords
from sample_services.identity.resets import Resets
from sample_services.identity.revoking import Revocations
from sample_services.identity.seed import adopt, seed
from sample_services.identity.sessions import forget_old
from sample_services.kit.auth import TokenVerifier
from sample_services.kit.service import Service, run

FORGET_EVERY_S = 60.0


async def setup(service: Service) -> None:
    """Build the parts and add their routes."""
    settings, db, clock = service.settings, service.db, time.time
    audit, passwords = Audit(service.metrics), Passwords()
    service.app.on_cleanup.append(lambda _: asyncio.to_thread(passwords.close))
    await adopt(db, passwords, settings)
    ring = KeyRing(settings.data_dir / "keys", clock)
    ring.use(await db.read(load_keys))
    service.auth = TokenVerifier(settings.issuer, settings.audience, ring, clock)
    resets = Resets(db, passwords, audit, settings.data_dir / "mail", clock)
    router = service.app.router
    TokenApi(
        Issuer(settings, db, ring, passwords, audit, clock),
        Revocations(db, service.auth, audit, clock),
        ClientAuthentication(db, audit),
    ).add_routes(router)
    keys = KeyApi(settings, db, ring, service.auth, audit)
    keys.add_routes(router)
    service.background(keys.follow, "follow the keys")
    UserApi(db, service.auth, passwords, resets, audit, clock, service.weak).add_routes(router)
    service.background(lambda: _forget(service, resets), "forget what has expired")
    _publish_revocations(service)


def _publish_revocations(service: Service) -> None:
    """What is taken back goes to Redis. Without one it waits, and the gateway believes tokens until they expire."""
    if service.settings.redis is None:
        service.log.warning("no Redis: the gateway is not told what is revoked")
        return
    from sample_services.identity.revocation_relay import Relay, RelayMetrics

    relay = Relay(service.db, service.redis, RelayMetrics(service.metrics.registry, time.time), service.log, time.time)

    async def tell(request: web.Request, _: web.StreamResponse) -> None:
        if request.method != "GET":  # whoever changes something may have taken tokens back
            relay.wake()

    service.app.on_response_prepare.append(tell)
    service.background(relay.run, "revocation relay", alone=True)


async def _forget(service: Service, resets: Resets) -> None:
    while True:
        await service.db.write(_forget_old_now)
        await asyncio.to_thread(resets.clean_mail)
        await asyncio.sleep(FORGET_EVERY_S)


def _forget_old_now(connection: sqlite3.Connection) -> None:
    forget_old(connection, time.time())


if __name__ == "__main__":
    schema = resources.files("sample_services.identity").joinpath("schema.sql").read_text()
    run("identity", setup, schema, seed)
