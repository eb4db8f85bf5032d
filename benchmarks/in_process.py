"""What a call from module to module costs: in memory, and over a socket of the same process.

    python -m benchmarks.in_process

The same client, handler and messages; CPU time of both sides together, since they are one process.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from sample_services.kit.client import HttpClient
from sample_services.kit.metrics import Metrics
from sample_services.kit.service import runner_of
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry
from sample_services.monolith.memory import InProcess, address

CALLS = 1_000
ROUNDS = 7


async def product(_: web.Request) -> web.Response:
    """About as large as one product."""
    return web.json_response({"id": 1, "name": "Garden gate", "description": "Oak, one metre wide.", "price": 24_900})


async def main() -> None:
    """Print microseconds of CPU time for a call, the median of rounds in alternating order."""
    app = web.Application()
    app.router.add_get("/products/1", product)
    runner = runner_of(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert runner.server is not None
    with tempfile.TemporaryDirectory() as folder:
        peers = {"memory": address("orders"), "socket": f"http://127.0.0.1:{runner.addresses[0][1]}"}
        settings = Settings(service="storefront", instance="storefront-1", data_dir=Path(folder), peers=peers)
        metrics = Metrics()
        http = HttpClient(
            settings, Telemetry(settings, metrics), metrics, InProcess("storefront", {"orders": runner.server})
        )
        seen: dict[str, list[float]] = {"memory": [], "socket": []}
        for _ in range(ROUNDS):
            for peer, costs in seen.items():
                costs.append(await _cost(lambda peer=peer: http.request(peer, "GET", "/products/1")))  # type: ignore[misc]
        for peer, costs in seen.items():
            print(f"{peer:<8}{statistics.median(costs):>8.0f} µs of CPU time a call")
        await http.close()
    await runner.cleanup()


async def _cost(call: Callable[[], Awaitable[object]]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - started) / CALLS * 1e6


if __name__ == "__main__":
    asyncio.run(main())
