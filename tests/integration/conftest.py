"""The whole shop in real processes: started once for this folder as a person would start it, and stopped at the end.

The rule for tests here: they share one shop, so whoever breaks something (stops a service, edits the configuration)
puts it right again before the test ends, and whoever needs a limit, a password or an order of its own makes a user
for that. When all is done, no log of any process may hold a traceback, whatever the tests did.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]
WIDER = 50
"""All tests are one address, so limits per address are this much wider than in config/shop.yaml."""
PASSWORD = "a long enough passphrase"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def type(self) -> str:
        """The media type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def trace_id(self) -> str:
        """Which trace the gateway gave to the request."""
        return self.headers["traceresponse"].split("-")[1]

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Shop:
    """A running shop, its secrets, and ways to talk to it."""

    def __init__(self, state: Path, config: Path) -> None:
        self.state, self.config = state, config
        self.instance: dict[str, Any] = json.loads((state / "instance.json").read_text())
        self.secrets: dict[str, Any] = json.loads((state / "installation.json").read_text())
        self.ports: dict[str, int] = self.instance["ports"]
        self.url: str = self.instance["public_url"]
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def gatehouse(self, *words: str, code: int = 0) -> str:
        """Run the command on this shop; its output."""
        return gatehouse(*words, "--state-dir", str(self.state), code=code)

    @contextmanager
    def connect(self, port: int | None = None) -> Iterator[http.client.HTTPConnection]:
        """A kept connection: all its requests meet one worker."""
        with closing(http.client.HTTPConnection("127.0.0.1", port or self.ports["public"], timeout=20)) as connection:
            yield connection

    def send(
        self, method: str, path: str, *, token: str | None = None, json: Any = None, body: bytes | None = None,
        headers: Mapping[str, str] | None = None, port: int | None = None,
        on: http.client.HTTPConnection | None = None,
    ) -> Answer:  # fmt: skip
        """One request, to the public listener unless another port is named."""
        fields = dict(headers or {})
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        if json is not None:
            body, fields["Content-Type"] = encode(json), "application/json"
        with nullcontext(on) if on else self.connect(port) as connection:
            connection.request(method, path, body, fields)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def raw(self, data: bytes, port: int | None = None) -> bytes:
        """Bytes as they are; all that comes back until the gateway closes (send `Connection: close`)."""
        with socket.create_connection(("127.0.0.1", port or self.ports["public"]), timeout=20) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def admin(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask the admin API."""
        return self.send(method, path, json=body, token=self.instance["admin_secret"], port=self.ports["admin"])

    def token(self, user: str) -> str:
        """That user's token, from one login per test run."""
        if user not in self._tokens:
            credentials = {"username": user, "password": self.secrets["users"].get(user, PASSWORD)}
            self._tokens[user] = self.send("POST", "/auth/login", json=credentials).json()["access_token"]
        return self._tokens[user]

    def new_user(self) -> str:
        """A customer with limits and orders of their own."""
        name = f"customer{next(self._numbers)}"
        wanted = {"username": name, "password": PASSWORD}
        made = self.send("POST", "/users", json=wanted, token=self.token("admin"), port=self.ports["identity"])
        assert made.status == 201, made
        return name

    def order(self, token: str, *items: tuple[int, int]) -> dict[str, Any]:
        """A placed order; items are (product, quantity)."""
        lines = [{"product_id": product, "quantity": quantity} for product, quantity in items]
        placed = self.send("POST", "/orders", token=token, json={"items": lines})
        assert placed.status == 201, placed
        return {**placed.json(), "trace_id": placed.trace_id}

    def rows(self, service: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a service's own database holds."""
        path = self.state / "data" / service / f"{service}.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(sql, values).fetchall()

    def log(self, process: str) -> list[dict[str, Any]]:
        """A process's log lines."""
        return [json.loads(line) for line in (self.state / "logs" / f"{process}.log").read_text().splitlines()]

    def processes(self) -> dict[str, dict[str, Any]]:
        """What runs, by name."""
        return {row["name"]: row for row in json.loads(self.gatehouse("ps", "--json"))}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of that metric's samples that have these labels."""
        total = 0.0
        pairs = [f'{label}="{value}"' for label, value in labels.items()]
        for line in self.admin("GET", "/metrics").body.decode().splitlines():
            sample, _, value = line.partition(" ")
            if re.match(rf"{name}(\{{|$)", sample) and all(pair in sample for pair in pairs):
                total += float(value.split()[0])
        return total


def encode(document: Any) -> bytes:
    """A JSON body."""
    return json.dumps(document).encode()


def gatehouse(*words: str, code: int = 0) -> str:
    """Run the installed command, which must exit with that code; what it prints (errors too, if it fails)."""
    command = shutil.which("gatehouse", path=str(Path(sys.executable).parent))
    assert command, "the command is not installed beside this Python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    done = subprocess.run([command, *words], capture_output=True, text=True, timeout=150, env=environment, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + (done.stderr if code else "")


def widened(text: str) -> str:
    """The shop's configuration with wider limits per address."""
    limit = re.compile(r"(key: \{type: Address\}, requests: )(\d+)(, per: 1m, burst: )(\d+)")
    text, count = limit.subn(lambda m: f"{m[1]}{int(m[2]) * WIDER}{m[3]}{int(m[4]) * WIDER}", text)
    assert count >= 4, "config/shop.yaml writes its limits in another way now"
    return text


@contextmanager
def running(root: Path, *words: str) -> Iterator[Shop]:
    """A shop on a free block of ports, in a directory of its own, started with these words besides."""
    config = root / "shop.yaml"
    config.write_text(widened((ROOT / "config" / "shop.yaml").read_text()))
    for named in (
        "profiles.wsdl",
        "storefront.graphql",
        "front.graphql",
        "orders.openapi.yaml",
        "profiles.openapi.yaml",
        "payments.openapi.yaml",
    ):  # by it, relative to its folder
        shutil.copy(ROOT / "config" / named, root)
    state = root / "s"
    gatehouse("up", "--detach", "--port-base", "0", "--state-dir", str(state), "--config", str(config), *words)
    try:
        yield Shop(state, config)
    finally:
        gatehouse("down", "--state-dir", str(state))
    tracebacks = [
        f"{path.name}: {line[:2000]}"
        for path in sorted((state / "logs").iterdir())
        for line in path.read_text().splitlines()
        if "Traceback (most recent call last)" in line
    ]
    assert not tracebacks, "\n".join(tracebacks)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop that nearly all tests share."""
    with running(tmp_path_factory.mktemp("shop")) as one:
        yield one


StartShop = Callable[..., AbstractContextManager[Shop]]


@pytest.fixture(scope="session")
def start_shop(tmp_path_factory: pytest.TempPathFactory) -> StartShop:
    """start_shop("--mesh"): another shop, for tests that need one that was started in another way."""
    return lambda *words: running(tmp_path_factory.mktemp("shop"), *words)


@pytest.fixture
def alice(shop: Shop) -> str:
    """Her token."""
    return shop.token("alice")


@pytest.fixture
def customer(shop: Shop) -> str:
    """The token of a new customer, with limits of its own."""
    return shop.token(shop.new_user())


Until = Callable[..., Any]


@pytest.fixture
def until() -> Until:
    """until(look): calls `look` until it gives something true, which is returned; bounded."""

    def wait(look: Callable[[], Any], seconds: float = 15.0) -> Any:
        end = time.monotonic() + seconds
        while not (seen := look()):
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)
        return seen

    return wait


@asynccontextmanager
async def hammering(url: str, token: str = "", pause: float = 0.0, clients: int = 3) -> AsyncIterator[Counter[str]]:
    """Clients that ask again and again; the counter says how often they got which status or error.

    With `pause` (seconds between two requests) they keep to a limit.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    seen: Counter[str] = Counter()
    stop = asyncio.Event()

    async def ask(session: aiohttp.ClientSession) -> None:
        while not stop.is_set():
            try:
                async with session.get(url, headers=headers) as answer:
                    await answer.read()
                    seen[str(answer.status)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                seen[repr(error)] += 1
            await asyncio.sleep(pause)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session, asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(ask(session))
        try:
            yield seen
        finally:
            stop.set()


@pytest.fixture(name="hammering")
def hammering_fixture() -> Any:
    return hammering


def refused(answer: Answer, media_type: str = "application/problem+json") -> None:
    """A client's mistake, told in the API's style, without looking like the inside of a program."""
    assert 400 <= answer.status < 500, (answer.status, answer.body[:500])
    assert answer.status != 429, "the limit decided, so nothing was tested"
    assert answer.type == media_type, answer.body[:500]
    for inside in (b"Traceback", b'File "', b"site-packages", b"sqlite3", b"Error("):
        assert inside not in answer.body


@pytest.fixture(name="refused")
def refused_fixture() -> Any:
    return refused
