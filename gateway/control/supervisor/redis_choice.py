"""Which Redis: a program of ours, or the server that GATEHOUSE_REDIS_URL names."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from gateway.control.supervisor import redis_server
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.installation import Installation
from gateway.control.supervisor.manifest import Manifest
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.plan import LOOPBACK
from gateway.control.supervisor.resp import RedisAddress, RedisError, parse_url

FOREIGN_USER_PREFIX = "gatehouse-"
"""On a Redis that we do not own, our users do not collide with others'."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RedisChoice:
    """What serves Redis: a program of ours, or somebody else's server."""

    binary: redis_server.Binary | None = None
    foreign: RedisAddress | None = field(default=None, repr=False)


def choose_redis(options: Options, environ: Mapping[str, str]) -> RedisChoice:
    """None if it is not wanted, the server that the environment names, else a program on this machine.

    Raises:
        CannotStart: no program found, or GATEHOUSE_REDIS_URL is no address.
    """
    if not options.redis:
        return RedisChoice()
    url = environ.get("GATEHOUSE_REDIS_URL")
    if not url:
        return RedisChoice(binary=redis_server.find_binary())
    try:
        return RedisChoice(foreign=parse_url(url))
    except ValueError as error:
        raise CannotStart(f"GATEHOUSE_REDIS_URL: {error}") from None


async def adopt(foreign: RedisAddress, manifest: Manifest, installation: Installation, stack: AsyncExitStack) -> None:
    """Create our users there, and remove them at the end.

    Raises:
        CannotStart: it is away, or does not let us.
    """
    release_at_end(foreign, manifest, stack)  # first: a half-done work is undone as well
    await redis_server.adopt(foreign, manifest.services, installation.redis, FOREIGN_USER_PREFIX)


def release_at_end(foreign: RedisAddress | None, manifest: Manifest, stack: AsyncExitStack) -> None:
    """Have our users removed from somebody else's server when everything has ended."""
    if foreign is not None:
        stack.push_async_callback(_release, foreign, manifest)


async def _release(foreign: RedisAddress, manifest: Manifest) -> None:
    try:
        await redis_server.release(foreign, manifest.services, FOREIGN_USER_PREFIX)
    except (OSError, TimeoutError, RedisError) as error:  # it may have gone before us
        log.warning("our users stay on %s: %s", foreign.url, error)


def redis_url(redis: RedisChoice, numbers: Mapping[str, int]) -> str | None:
    """What services are told, without credentials."""
    if redis.foreign:
        return redis.foreign.url
    return f"redis://{LOOPBACK}:{numbers['redis']}/0" if redis.binary else None


def notes(redis: RedisChoice) -> tuple[str, ...]:
    """For people: what is old, foreign, or not known on this system."""
    told = []
    if redis.binary:
        told.append(redis.binary.about)
    if redis.foreign:
        told.append(f"Redis: the one at {redis.foreign.url} (GATEHOUSE_REDIS_URL)")
    if sys.platform != "linux":
        told.append("memory is shown as resident size: this system does not tell proportional shares")
    return tuple(told)
