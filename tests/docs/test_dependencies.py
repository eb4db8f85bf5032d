"""docs/dependencies.md has a reason for every dependency, with its version if that is pinned."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dependencies.md").read_text().lower()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]


def name(requirement: str) -> str:
    """`gql[aiohttp]>=4.0` → `gql`."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower()


def wanted() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return {name(requirement) for one in lists for requirement in one}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {package.strip().lower().replace("_", "-"): version.strip() for package, _, version in pairs}


def test_every_dependency_has_a_row_with_its_version() -> None:
    versions = pinned()
    missing = [
        package
        for package in sorted(wanted())
        if not any(package in row.split("|")[1] and versions.get(package.replace("_", "-"), "") in row for row in ROWS)
    ]
    assert missing == []
