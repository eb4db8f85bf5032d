"""Lines of the shop's configuration that documents show are those where it stands."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.compile.load import load_spec

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"shop\.yaml:(\d+)")


def spans() -> dict[str, range]:
    """Route → the lines that it takes."""
    routes = load_spec(ROOT / "config" / "shop.yaml", {}).routes
    starts = [int(route.where.rpartition(":")[2]) for route in routes]
    ends = [*starts[1:], len((ROOT / "config" / "shop.yaml").read_text().splitlines()) + 1]
    return {route.name: range(start, end) for route, start, end in zip(routes, starts, ends, strict=True)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_line_that_is_shown_belongs_to_the_route_beside_it(page: Path) -> None:
    routes = spans()
    for line in page.read_text("utf-8").splitlines():
        named = [word.strip(":") for word in line.split() if word.strip(":") in routes]
        for number in SHOWN.findall(line) if named else ():
            assert any(int(number) in routes[name] for name in named), line


def test_routes_follow_each_other() -> None:
    assert all(one.stop == other.start for one, other in pairwise(spans().values()))
