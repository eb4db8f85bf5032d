"""Puts the recommendations service together."""

from __future__ import annotations

from importlib import resources

from sample_services.kit.component import Component
from sample_services.kit.service import Service
from sample_services.recommendations.api import Api
from sample_services.recommendations.model import Model, read_baskets


async def setup(service: Service) -> None:
    """Makes the model from the baskets that come with it, and adds the routes."""
    text = resources.files("sample_services.recommendations").joinpath("baskets.json").read_text("utf-8")
    model = Model(read_baskets(text))
    service.log.info("model made", extra={"model": model.name})
    service.app.add_routes(Api(model).routes())


COMPONENT = Component("recommendations", setup)
