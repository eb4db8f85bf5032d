"""The routes of reports: read the question, ask the database, write the answer.

For people with the scope `reports:read`, through the gateway's internal listener; `POST /reports/rebuild` needs
`reports:rebuild`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from prometheus_client import Gauge
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sample_services.kit.contract import read_contract
from sample_services.kit.problems import Problem
from sample_services.kit.service import Service
from sample_services.reports import sales
from sample_services.reports.queries import FAULTY, Reports, Span
from sample_services.reports.source import Source

READ: Final = "reports:read"
REBUILD: Final = "reports:rebuild"
LOOKS: Final = 4
"""A check looks again before it says that something is wrong: the last event may be on its way."""
LOOK_AGAIN_S: Final = 0.25


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]


class SpanQuery(BaseModel):
    """Which orders: all of them, unless days are named."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Day = Field("0001-01-01", alias="from")
    to: Day = "9999-12-31"
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "EUR"

    def span(self) -> Span:
        """As the queries take it."""
        return Span(self.from_, self.to, self.currency)


class SalesQuery(SpanQuery):
    """GET /reports/sales."""

    by: Literal["day", "customer_group"] = "day"


class ProductsQuery(SpanQuery):
    """GET /reports/products."""

    limit: int = Field(10, ge=1, le=100)


class Api:
    """Reports over HTTP. `pause` waits, in seconds."""

    def __init__(
        self, service: Service, reports: Reports, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._db, self._auth, self._log = service.db, service.auth, service.log
        self._source = Source(service.http)
        self._reports = reports
        self._pause = pause
        self._one_at_a_time = asyncio.Lock()
        self._off = Gauge(
            "reports_off_by_minor_units",
            "What the last check found: revenue here less revenue at orders.",
            registry=service.metrics.registry,
        )

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [
            web.get("/version", self.version),
            web.get("/openapi.json", self.openapi),
            web.get("/reports/sales", self.sales),
            web.get("/reports/products", self.products),
            web.get("/reports/check", self.check),
            web.post("/reports/rebuild", self.rebuild),
        ]

    async def version(self, _request: web.Request) -> web.Response:
        """GET /version: what runs, and that it is wrong on purpose, if it is."""
        version = self._reports.version
        return web.json_response({"service": "reports", "version": version, "planted_fault": version in FAULTY})

    async def openapi(self, _request: web.Request) -> web.Response:
        """GET /openapi.json."""
        return web.json_response(read_contract("reports"))

    async def sales(self, request: web.Request) -> web.Response:
        """GET /reports/sales: by day or by group of customers."""
        await self._auth.require(request, READ)
        query = _query(request, SalesQuery)
        rows = await self._db.read(self._reports.sales, query.span(), query.by)
        totals = await self._db.read(self._reports.totals, query.span())
        return self._answer(query, {"by": query.by, "rows": rows, "total": totals})

    async def products(self, request: web.Request) -> web.Response:
        """GET /reports/products: what sells best."""
        await self._auth.require(request, READ)
        query = _query(request, ProductsQuery)
        rows = await self._db.read(self._reports.products, query.span(), query.limit)
        return self._answer(query, {"rows": rows})

    async def check(self, request: web.Request) -> web.Response:
        """GET /reports/check: our totals against orders' own. The answer is 200 either way: the check has worked."""
        await self._auth.require(request, READ)
        query = _query(request, SpanQuery)
        ours, theirs = await self._compare(query)
        for _ in range(LOOKS - 1):
            if ours == theirs:
                break
            await self._pause(LOOK_AGAIN_S)
            ours, theirs = await self._compare(query)
        off = ours["revenue"] - theirs["revenue"]
        self._off.set(off)
        if ours != theirs:
            self._log.error("reports are wrong", extra={"off_by": off, "version": self._reports.version})
        found = {"agrees": ours == theirs, "reports": ours, "orders": theirs, "off_by": off}
        return self._answer(query, found | {"rebuilt": await self._db.read(sales.rebuilt)})

    async def rebuild(self, request: web.Request) -> web.Response:
        """POST /reports/rebuild: everything anew from orders."""
        await self._auth.require(request, REBUILD)
        return web.json_response({"orders": await self.read_all()})

    async def read_all(self) -> int:
        """Takes over all orders from orders' API; how many there are. One reading at a time."""
        async with self._one_at_a_time:
            found = await self._source.all()
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            count = await self._db.write(sales.rebuild, found, now)
        self._log.info("rebuilt from orders", extra={"orders": count})
        return count

    async def _compare(self, query: SpanQuery) -> tuple[dict[str, Any], dict[str, Any]]:
        ours = await self._db.read(self._reports.totals, query.span())
        theirs = await self._source.totals(query.from_, query.to, query.currency)
        return {"orders": ours["orders"], "revenue": ours["revenue"]}, theirs.model_dump()

    def _answer(self, query: SpanQuery, found: dict[str, Any]) -> web.Response:
        span = asdict(query.span())
        about = {"version": self._reports.version, "from": span["from_"], "to": query.to, "currency": query.currency}
        return web.json_response(about | found, headers={"Cache-Control": "no-store"})


def _query(request: web.Request, model: type[Any]) -> Any:
    """The query parameters as `model`.

    Raises:
        Problem: 400 `invalid_query`; repeated ones are refused too (parameter pollution).
    """
    repeated = sorted({name for name in request.query if len(request.query.getall(name)) > 1})
    if repeated:
        raise Problem(400, "invalid_query", "some parameters are repeated", parameters=repeated)
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors()})
        raise Problem(400, "invalid_query", "some parameters are wrong", parameters=wrong) from None
