"""Weak code, on purpose: what orders does instead of the right thing when the lab asks for a weakness.

Nothing here runs unless a lesson has named the weakness in this process' settings (`gatehouse lab break …`); each
place that asks for one is marked `LAB`. Everything is bounded, and reads nothing but the shop's data.
"""

from __future__ import annotations

import sqlite3
import sys
import traceback
from dataclasses import asdict
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from sample_services.kit.body import json_body
from sample_services.kit.client import Answer
from sample_services.kit.database import Database
from sample_services.kit.settings import Settings
from sample_services.orders import store
from sample_services.orders.domain import Caller, NotFoundError, check_reader
from sample_services.orders.paying import Payment

MAX_PRODUCTS = 10_000
MAX_FETCHED = 4_096
FETCH_TIMEOUT_S = 2.0


async def products_one_by_one(db: Database, ids: str) -> web.Response:
    """As many products as were named, one query for each: nobody thought of a number."""
    wanted = [int(text) for text in ids.split(",") if text.isdecimal()][:MAX_PRODUCTS]

    def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        return [asdict(store.read_product(connection, number)) for number in wanted]

    return web.json_response({"products": await db.read(read), "next_cursor": None})


async def order_of_anybody(request: web.Request, db: Database) -> web.Response:
    """GET /v1/orders/{id} as it was before there were accounts. Nobody calls it any more; nobody removed it."""
    try:
        order = await db.read(store.read_order, int(request.match_info["id"]))
    except (ValueError, NotFoundError):
        raise web.HTTPNotFound from None
    return web.json_response(asdict(order))


async def telling_all(request: web.Request, db: Database, caller: Caller) -> web.Response:
    """GET /orders/{id}, with the help for developers that should have been switched off."""
    try:
        order = await db.read(store.read_order, int(request.match_info["id"]))
        check_reader(order.customer, caller)
    except Exception:
        powered = {"X-Powered-By": f"aiohttp/{aiohttp.__version__}"}
        return web.Response(status=500, text=traceback.format_exc(), headers=powered)
    return web.json_response(asdict(order))


def plain_line(text: str) -> None:
    """A line for the log, as one writes it with print."""
    sys.stderr.write(f"{text[:1_000]}\n")
    sys.stderr.flush()


def as_it_came(answer: Answer) -> Payment:
    """What the provider says, since it is a respectable company."""
    said = answer.json()
    return Payment(str(said["id"]), str(said["status"]), str(said["pay_url"]))


class HookTest(BaseModel):
    """The body of POST /orders/hook-test: where a partner wants to be told of orders."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str


async def hook_test(request: web.Request, settings: Settings, *, directly: bool) -> web.Response:
    """Fetch an address that a stranger chose, and show what came: directly, or by the gateway's way out."""
    url = (await json_body(request, HookTest)).url
    proxy = None if directly else settings.peers["gateway"]
    wait = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=wait) as session:
        try:
            async with session.get(url, proxy=proxy, max_redirects=3) as answer:
                body = await answer.content.read(MAX_FETCHED)
        except (aiohttp.ClientError, ValueError, TimeoutError):
            return web.json_response({"status": 0, "body": ""})
    return web.json_response({"status": answer.status, "body": body.decode("utf-8", "replace")})
