"""The OpenAPI document that /openapi.json serves: written by hand in YAML, since people read and review it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any


@cache
def read_contract(service: str) -> dict[str, Any]:
    """The document of a service; read at the first call, off the start-up path."""
    import yaml

    text = resources.files(f"sample_services.{service}").joinpath("openapi.yaml").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document
