"""The OpenAPI document that /openapi.json serves: written by hand in YAML, since people read and review it."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any


@cache
def contract() -> dict[str, Any]:
    """The document; read at the first call, off the start-up path."""
    import yaml

    text = resources.files("sample_services.orders").joinpath("openapi.yaml").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document
