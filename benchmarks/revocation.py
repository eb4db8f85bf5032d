"""How long a token stays good after it was taken back: `python -m benchmarks.revocation`, beside `gatehouse up`.

Without `--mesh`, where nobody reaches identity straight.

The problem: a promise of "soon" is none. The rule: tokens are taken back one after the other, straight at identity;
each was sent over several kept connections before, so that every worker has verified and remembered it, and is sent
again over each until all refuse it. Told is the time from identity's answer to the last refusal, which holds the time
of the asking itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from gateway.control.supervisor.state_dir import default_state_dir

CONNECTIONS = 6
"""So many that each of two workers has some, most likely."""
PAUSE = 1.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--state-dir", type=Path, default=None)
    parser.add_argument("--times", type=int, default=30)
    asked = parser.parse_args()
    state = asked.state_dir or default_state_dir(os.environ)
    ports = json.loads((state / "instance.json").read_text())["ports"]
    secret = json.loads((state / "installation.json").read_text())["clients"]["partner"]
    with ExitStack() as stack:

        def connect(port: int) -> HTTPConnection:
            return stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=10)))

        identity, gateway = connect(ports["identity"]), [connect(ports["public"]) for _ in range(CONNECTIONS)]
        delays = sorted(_once(identity, gateway, secret) * 1000 for _ in _paced(asked.times))
    print(
        f"{len(delays)} tokens, {CONNECTIONS} connections: median {statistics.median(delays):.1f} ms, "
        f"90 % within {delays[int(len(delays) * 0.9) - 1]:.1f} ms, longest {delays[-1]:.1f} ms"
    )


def _paced(times: int) -> Iterator[int]:
    """As fast as the limit of the shop's routes allows to one client."""
    for number in range(times):
        yield number
        time.sleep(PAUSE)


def _once(identity: HTTPConnection, gateway: list[HTTPConnection], secret: str) -> float:
    """Seconds from the answer to the revocation to the last refusal."""
    client = {"client_id": "partner", "client_secret": secret}
    token = json.loads(_post(identity, "/token", {"grant_type": "client_credentials", **client}))["access_token"]
    assert {_status(one, token) for one in gateway} == {200}
    _post(identity, "/revoke", {"token": token, **client})
    began = time.perf_counter()
    for one in gateway:
        while _status(one, token) != 401:
            pass
    return time.perf_counter() - began


def _post(connection: HTTPConnection, path: str, form: dict[str, str]) -> bytes:
    connection.request("POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
    with connection.getresponse() as answer:
        assert answer.status == 200, answer.status
        return answer.read()


def _status(connection: HTTPConnection, token: str) -> int:
    connection.request("GET", "/orders?limit=1", headers={"Authorization": f"Bearer {token}"})
    with connection.getresponse() as answer:
        answer.read()
        return answer.status


if __name__ == "__main__":
    main()
