"""Wrong answers of a moment, kept for ten minutes."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.wire import send
from scenarios.incidents.bench import Bench, part
from scenarios.incidents.load import PRODUCTS
from scenarios.incidents.metrics import Ratio, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import share

ROUTE, STAND_BY = "product-page", "orders-standby"
ROUNDS = 6
"""How often each product is asked for while the stand-by answers: each worker keeps for itself."""
SOURCE = "127.0.0.1"
NOT_THERE = {"type": "about:blank", "title": "Not Found", "status": 404, "reason": "not_found", "detail": "no such id"}


def inject(bench: Bench) -> None:
    """For a moment an empty stand-by answers in place of orders; afterwards orders does, and nobody asks it."""
    with empty_stand_by() as address:
        bench.configure(lambda document: cached(document, address))
        for _ in range(ROUNDS):
            for product in range(1, PRODUCTS + 1):
                with suppress(Failure):
                    send(bench.instance.public_url, "GET", f"/products/{product}")
        bench.configure(lambda document: cached(document, None))


def cached(document: dict[str, Any], stand_by: str | None) -> None:
    """Product pages are kept for ten minutes, whatever they say; for a moment the stand-by makes them."""
    whole = part(document, "routes", "products-read")
    pages = copy.deepcopy(whole) | {
        "name": ROUTE,
        "matches": [{"path": {"type": "RegularExpression", "value": "/products/[0-9]+"}, "method": "GET"}],
        "backendRefs": [{"cluster": STAND_BY if stand_by else "orders"}],
    }
    keep = {"type": "ResponseHeaderModifier", "set": [{"name": "Cache-Control", "value": "public, max-age=600"}]}
    pages["filters"] = [{"type": "Cache", "cache": "pages"}, keep, *whole["filters"]]
    whole["matches"] = [{**one, "path": {"type": "Exact", "value": "/products"}} for one in whole["matches"]]
    document["routes"].append(pages)
    document["caches"] = [{"name": "pages", "maxBytes": 4_194_304, "maxObjectBytes": 262_144}]
    if stand_by:
        document["clusters"].append({"name": STAND_BY, "endpoints": [stand_by]})


@contextmanager
def empty_stand_by() -> Iterator[str]:
    """A service with an empty database: it knows no product. Its address, `host:port`."""
    server = ThreadingHTTPServer((SOURCE, 0), Empty)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"{SOURCE}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Empty(BaseHTTPRequestHandler):
    """Answers 404, in the form that the contract has for it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Nothing is there."""
        body = json.dumps(NOT_THERE).encode()
        self.send_response(404)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: this is no log of the shop's."""


INCIDENT = Incident(
    id="poisoned-cache",
    kind="Wrong answers, although the service is right.",
    ticket="Products cannot be opened: not found. They are in the list, and they were there yesterday.",
    services=("gateway",),
    inject=inject,
    signal=Signal(
        says="product pages that are not found, of all product pages",
        expression=Ratio(
            Select(
                "http_server_request_duration_seconds_count", {"http_route": ROUTE, "http_response_status_code": "404"}
            ),
            Select("http_server_request_duration_seconds_count", {"http_route": ROUTE}),
        ),
        above=0.3,
        shown=share,
    ),
    what="For a moment an empty stand-by answered for orders: 404. The gateway keeps product pages for ten minutes.",
    look=(
        "Ask the service itself, on its own port (gatehouse ps), for the same product.",
        "Look at the answer's headers (curl -si …/products/1): Cache-Status, Age. Who answered?",
        "gatehouse cache: what is kept, with which status, since when, for how long?",
    ),
    elsewhere={
        "orders": "Orders knows the product: ask its own port. And its metrics have no such 404.",
        "storefront": "These requests do not go through the storefront.",
    },
    otherwise={
        "wrong-route": "A moment ago it was. Now the route is right; ask yourself why the answers are not.",
        "error-burst": "Nothing was deployed, and nothing fails: 404 is an answer.",
        "broken-contract": "The answer has the right form; it is not true.",
        "process-down": "Orders runs, and knows the product.",
    },
    mend="gatehouse cache --purge '/products/*'; keep errors for seconds, not minutes (RFC 9111, section 4.2.2).",
    difficulty=5,
    minutes=15,
)
