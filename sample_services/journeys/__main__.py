"""`python -m sample_services.journeys < settings.json`: take the journeys, one line of JSON for each.

The last line of a round is `{"passed": N, "of": M}`. Exit code: 0 all passed, 1 one did not, 2 bad settings.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import aiohttp
from pydantic import ValidationError

from sample_services.journeys.client import Client
from sample_services.journeys.stories import ALL
from sample_services.journeys.walk import Outcome, walk
from sample_services.journeys.world import Settings, World


async def travel(settings: Settings) -> AsyncIterator[list[Outcome]]:
    """The outcomes, round by round; in a round one journey after the other."""
    names = settings.only or tuple(ALL)
    async with aiohttp.ClientSession(headers={"User-Agent": "gatehouse-journeys"}) as session:
        world = World(Client(session, settings.public_url), settings)
        for number in range(settings.rounds):
            await asyncio.sleep(settings.pause if number else 0)
            yield [await walk(name, ALL[name], world) for name in names]


async def tell(settings: Settings) -> bool:
    """Write each round; whether all passed."""
    good = True
    async for outcomes in travel(settings):
        for outcome in outcomes:
            _line(asdict(outcome))
        passed = sum(outcome.passed for outcome in outcomes)
        _line({"passed": passed, "of": len(outcomes)})
        good = good and passed == len(outcomes)
    return good


def _line(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the settings, travel, answer with the exit code."""
    try:
        settings = Settings.model_validate_json(sys.stdin.buffer.read())
    except ValidationError as error:
        sys.stderr.write(f"the settings are not valid: {error}\n")
        return 2
    if unknown := [name for name in settings.only if name not in ALL]:
        sys.stderr.write(f"unknown journeys: {', '.join(unknown)}; there are {', '.join(ALL)}\n")
        return 2
    return 0 if asyncio.run(tell(settings)) else 1


if __name__ == "__main__":
    sys.exit(main())
