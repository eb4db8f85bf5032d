"""Be payments.example: `python -m sample_services.payments --settings FILE`."""

from __future__ import annotations

from importlib import resources

import aiohttp

from sample_services.kit.service import Service, run
from sample_services.payments.api import Api
from sample_services.payments.misbehaviour import MODES, NONE
from sample_services.payments.sender import Sender, poster

HOOK = "/hooks/payments"
"""Where the merchant wants its webhooks; it has told us so when it signed up."""


async def setup(service: Service) -> None:
    """Adds the routes and starts to send webhooks.

    Raises:
        ValueError: an unknown way to misbehave.
        KeyError: the settings lack the key or the webhooks' secret.
    """
    settings = service.settings
    mode = settings.option("misbehave", MODES, default=NONE)
    if mode != NONE:
        service.log.warning("this third party misbehaves, as it was told", extra={"mode": mode})
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def close(_: object) -> None:
        await session.close()

    service.app.on_cleanup.append(close)
    post = poster(session, settings.public_url.rstrip("/") + HOOK)
    secret = settings.secrets.webhooks["payments"]
    sender = Sender(service.db, secret, post, service.metrics.registry, service.log)
    service.app.add_routes(Api(service, settings.secrets.shared["payments-key"], mode, sender).routes())
    service.background(sender.run, "webhooks", alone=True)


if __name__ == "__main__":
    schema = resources.files("sample_services.payments").joinpath("schema.sql").read_text("utf-8")
    run("payments", setup, schema)
