"""The OpenAPI document that /openapi.json serves."""

from __future__ import annotations

from typing import Any

from sample_services.kit.contract import read_contract


def contract() -> dict[str, Any]:
    """The document; read at the first call, off the start-up path."""
    return read_contract("orders")
