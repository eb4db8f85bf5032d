"""The routes of recommendations. Several products in one question, so that a page with ten of them asks once."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sample_services.kit.contract import read_contract
from sample_services.kit.problems import Problem
from sample_services.recommendations.model import Model

MAX_PRODUCTS: Final = 50
MAX_LIMIT: Final = 10
MAX_ID: Final = 2**53 - 1
KEEP_S: Final = 60
"""The answer says nothing about anybody and changes with the process: whoever is in between may keep it so long."""

Id = Annotated[int, Field(ge=1, le=MAX_ID)]


def _numbers(text: object) -> object:
    return text.split(",") if isinstance(text, str) else text


class Query(BaseModel):
    """GET /recommendations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    products: Annotated[list[Id], BeforeValidator(_numbers), Field(min_length=1, max_length=MAX_PRODUCTS)]
    limit: int = Field(3, ge=1, le=MAX_LIMIT)


class Api:
    """Answers from the model alone."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [web.get("/recommendations", self.get), web.get("/recommendations/openapi.json", self.openapi)]

    async def get(self, request: web.Request) -> web.Response:
        """GET /recommendations?products=1,2&limit=3."""
        repeated = any(len(request.query.getall(name)) > 1 for name in request.query)
        try:
            query = Query.model_validate(dict(request.query))
        except ValidationError as error:
            wrong = sorted({str(fault["loc"][0]) for fault in error.errors()})
            raise Problem(400, "invalid_query", "some parameters are wrong", parameters=wrong) from None
        if repeated:
            raise Problem(400, "invalid_query", "some parameters are repeated")
        found = [
            {"product_id": product, "also": [asdict(one) for one in self._model.also(product, query.limit)]}
            for product in dict.fromkeys(query.products)
        ]
        headers = {"Cache-Control": f"public, max-age={KEEP_S}"}
        return web.json_response({"model": self._model.name, "recommendations": found}, headers=headers)

    async def openapi(self, _request: web.Request) -> web.Response:
        """GET /recommendations/openapi.json."""
        return web.json_response(read_contract("recommendations"))
