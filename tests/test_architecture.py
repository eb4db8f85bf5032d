"""Imports flow one way, as docs/architecture.md draws them; no cycle can hide."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEVELS = [
    {"http", "spec"},
    {"observability"},
    {"routing", "upstream"},
    {"filters"},
    {"compile"},
    {"mesh"},
    {"roles"},
    {"control"},
    {"audit"},
    {"importing"},
    {"cli"},
    {"testing"},
]
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}


def modules(package: str) -> Iterator[tuple[Path, str]]:
    """Every imported name of every module of a package."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield path, node.module
            elif isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)


def violations(found: Iterator[tuple[Path, str]]) -> list[str]:
    """Imports within gateway that go up."""
    wrong = []
    for path, name in found:
        place = path.relative_to(ROOT).parts
        parts = name.split(".")
        if parts[0] != "gateway" or len(parts) < 2 or len(place) < 3:
            continue
        if parts[1] in LEVEL and LEVEL[parts[1]] > LEVEL[place[1]]:
            wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    return wrong


def test_imports_flow_one_way() -> None:
    assert violations(modules("gateway")) == []


def test_every_package_has_its_level() -> None:
    packages = {path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert packages == set(LEVEL)


@pytest.mark.parametrize(("package", "foreign"), [("gateway", "sample_services"), ("sample_services", "gateway")])
def test_services_and_gateway_meet_over_http_only(package: str, foreign: str) -> None:
    assert [f"{path}: {name}" for path, name in modules(package) if name.split(".")[0] == foreign] == []


def test_a_violation_would_be_seen() -> None:
    path = ROOT / "gateway" / "http" / "server.py"
    assert violations(iter([(path, "gateway.filters.chain")])) == [
        "gateway/http/server.py imports gateway.filters.chain"
    ]
