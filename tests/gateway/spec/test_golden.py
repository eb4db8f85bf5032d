"""The golden folder: configurations beside their compiled route table, and bad ones beside the exact errors.

To accept what changed on purpose, look at the difference after: GOLDEN=write pytest tests/gateway/spec/test_golden.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.routing.table import RouteTable
from gateway.spec.errors import SpecErrors
from gateway.spec.models import Spec

GOLDEN = Path(__file__).parent / "golden"
GOOD = sorted((GOLDEN / "good").glob("*.yaml"))
BAD = sorted((GOLDEN / "bad").glob("*.yaml"))


def compare(actual: str, file: Path) -> None:
    expected = file.with_suffix(".txt")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(f"{actual}\n", "utf-8")
    assert f"{actual}\n" == expected.read_text("utf-8")


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_good_configuration_compiles_to_its_table(file: Path, load_path: Callable[[Path], Spec]) -> None:
    spec = load_path(file)
    compare(repr(RouteTable([(route, route.name) for route in spec.routes])), file)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_bad_configuration_tells_its_mistakes(file: Path, load_path: Callable[[Path], Spec]) -> None:
    with pytest.raises(SpecErrors) as caught:
        load_path(file)
    compare(str(caught.value), file)


def test_every_kind_of_mistake_is_shown() -> None:
    assert len(BAD) >= 20
    assert len(GOOD) >= 3
