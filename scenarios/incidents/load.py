"""Generated load: visitors of every kind, at a steady rate, whatever the answers are.

The problem: a fault in an idle shop shows nowhere. The rule: an open loop (the next visitor comes when it is time, not
when the last one was answered), a fixed mix of what people do, and nothing that stays: who buys wants more than
their share and is refused, after the same work in the database.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import aiohttp

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from gateway.cli.tokens import NOBODY, token_for

RATE = 14.0
"""Visits a second: two workers let 40 a second of one address pass."""
AT_ONCE = 64
"""More that wait for an answer at one time are not sent: visitors who find a queue go away."""
PATIENCE = 10.0
TOKEN_SECONDS = 60.0
PRODUCTS = 15
AGENT = "shop-visitor"

SOAP = """<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>\
<ReadProfile xmlns="https://profiles.shop.example/v1"><username>alice</username></ReadProfile>\
</soap:Body></soap:Envelope>"""
HOME = "{ me { username profile { fullName } orders(first: 3) { id status total } } }"


@dataclass(frozen=True)
class Visit:
    """One request of a visitor; `{n}` in the path is a product."""

    method: str
    path: str
    weight: float
    who: str = NOBODY
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


AS_JSON = {"Content-Type": "application/json"}
VISITS = (
    Visit("GET", "/products?limit=20", 2),
    Visit("GET", "/products/{n}", 3),
    Visit("GET", "/", 1.5),
    Visit("GET", "/recommendations?products={n}", 2),
    Visit("GET", "/orders?limit=5", 1.5, "alice"),
    Visit("POST", "/orders", 2, "bob", AS_JSON, '{"items": [{"product_id": 1, "quantity": 100}]}'),
    Visit("GET", "/profiles/alice", 1.5, "alice"),
    Visit(
        "POST",
        "/profiles/soap",
        1,
        "carol",
        {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"https://profiles.shop.example/v1/ReadProfile"'},
        SOAP,
    ),
    Visit("POST", "/graphql", 1.5, "alice", AS_JSON, json.dumps({"query": HOME})),
)


class Load:
    """Visitors, in a thread of their own."""

    def __init__(self, instance: Instance, visits: tuple[Visit, ...] = VISITS, rate: float = RATE, agent: str = AGENT):
        self._instance, self._visits, self._rate, self._agent = instance, visits, rate, agent
        self._dice = random.Random(7)  # noqa: S311  (the same visitors every time)
        self.answers: Counter[int] = Counter()
        """By status; 0: there was no answer."""
        self._stop = threading.Event()
        self._tokens: dict[str, str] = {}

    def run(self) -> None:
        """Until told to stop."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """No more visitors."""
        self._stop.set()

    async def _run(self) -> None:
        timeout, headers = aiohttp.ClientTimeout(total=PATIENCE), {"User-Agent": self._agent}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=False) as session:
            loop = asyncio.get_running_loop()
            keeping, under_way = asyncio.create_task(self._keep_tokens()), set[asyncio.Task[None]]()
            next_at = loop.time()
            while not self._stop.is_set():
                if len(under_way) < AT_ONCE:
                    task = asyncio.create_task(self._visit(session))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                next_at = max(next_at + self._dice.expovariate(self._rate), loop.time() - 1.0)
                await asyncio.sleep(max(0.0, next_at - loop.time()))
            for task in (keeping, *under_way):
                task.cancel()
            await asyncio.gather(keeping, *under_way, return_exceptions=True)

    async def _visit(self, session: aiohttp.ClientSession) -> None:
        (visit,) = self._dice.choices(self._visits, [one.weight for one in self._visits])
        headers = dict(visit.headers)
        if visit.who != NOBODY:
            if visit.who not in self._tokens:
                return  # not logged in yet
            headers["Authorization"] = f"Bearer {self._tokens[visit.who]}"
        url = self._instance.public_url + visit.path.format(n=self._dice.randint(1, PRODUCTS))
        status = 0
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.request(visit.method, url, data=visit.body or None, headers=headers) as answer:
                await answer.read()
                status = answer.status
        self.answers[status] += 1

    async def _keep_tokens(self) -> None:
        """Those who log in; who cannot tries again, like anybody."""
        while True:
            for who in {one.who for one in self._visits} - {NOBODY}:
                with suppress(Failure):
                    self._tokens[who] = await asyncio.to_thread(token_for, self._instance, who)
            await asyncio.sleep(TOKEN_SECONDS if self._tokens else 1.0)


@contextmanager
def under(load: Load) -> Iterator[Load]:
    """Load for as long as the block runs."""
    with alongside(load.run, load.stop):
        yield load


@contextmanager
def alongside(work: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Something that goes on in a thread, and is waited for at the end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()
