"""What is compiled only to be asked needs no store."""

from __future__ import annotations

from pathlib import Path

from gateway.compile.load import load_spec
from gateway.compile.trial import not_made, without_stores

SHOP = Path(__file__).parents[3] / "config" / "shop.yaml"


def test_the_shop_compiles_without_its_redis() -> None:
    spec = load_spec(SHOP, {})
    assert any(one.revocation for one in spec.providers)
    assert any(getattr(one, "store", None) for route in spec.routes for one in route.filters)
    assert not_made(spec) == ""


def test_what_is_kept_stays() -> None:
    spec = load_spec(SHOP, {})
    assert without_stores(spec, ["shared"]) == spec
