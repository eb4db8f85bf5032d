"""docs/problems.md names every `reason` that gateway and services can answer, with its status, and no others."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "problems.md"
GATEWAY = [ROOT / "gateway" / name for name in ("http", "filters", "upstream", "roles", "control")]
SERVICES = [ROOT / "sample_services"]

WITH_STATUS = {"Reply", "Refused", "Refusal", "Problem", "__init__"}
"""Calls of (status, reason, …); `__init__` is that of an error's base class."""
WITHOUT_STATUS = {
    "BadToken",
    "Unacceptable",
    "_unacceptable",
    "_unauthorized",
    "unauthorized",
    "OAuthError",
    "error",
    "check",
}
"""Calls of (reason, …)."""
NAMES = {"reason", "own"}
"""Variables and parameters that hold a reason."""
TABLES = {"_DETAILS", "_REASONS"}
"""Dictionaries whose values are reasons, alone or first in a tuple."""
REASON = re.compile(r"[a-z][a-z0-9]+(_[a-z0-9]+)*")

Found = tuple[str, int | None]
"""A reason, or the beginning of one followed by `*`; the status where the same call says it."""


def reason(node: ast.expr) -> str | None:
    """The reason that an argument is."""
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value) + "*"
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get":  # TABLE.get(status, "default")
        return reason(node.args[-1])
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and REASON.fullmatch(node.value):
        return node.value
    return None


def of_call(call: ast.Call) -> Iterator[Found]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    args, keywords = call.args, {one.arg: one.value for one in call.keywords}
    first = args[0] if args else None
    status = first.value if isinstance(first, ast.Constant) and isinstance(first.value, int) else None
    if name in WITH_STATUS and len(args) > 1 and not isinstance(first, ast.JoinedStr) and (said := reason(args[1])):
        yield said, status
    if name in WITHOUT_STATUS and first is not None and (said := reason(first)):
        yield said, None
    if "reason" in keywords and (said := reason(keywords["reason"])):
        yield said, None


def of_assignment(target: ast.expr, value: ast.expr | None) -> Iterator[Found]:
    name = getattr(target.elts[0] if isinstance(target, ast.Tuple) else target, "id", "")
    if name in NAMES and value is not None:  # `reason, detail = …` as well
        for one in ast.walk(value):
            if (said := reason(one) if isinstance(one, ast.Constant) else None) and said not in NAMES:
                yield said, None
    if name in TABLES and isinstance(value, ast.Dict):
        for one in value.values:
            if said := reason(one.elts[0] if isinstance(one, ast.Tuple) else one):
                yield said, None


def reasons(folders: list[Path]) -> dict[str, set[int]]:
    """Every reason in the source, with the statuses that stand beside it."""
    found: dict[str, set[int]] = defaultdict(set)
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for said, status in of_node(node):
                found[said] |= {status} if status else set()
    return found


def of_node(node: ast.AST) -> Iterator[Found]:
    if isinstance(node, ast.Call):
        yield from of_call(node)
    elif isinstance(node, ast.Assign):
        yield from of_assignment(node.targets[0], node.value)
    elif isinstance(node, ast.AnnAssign):
        yield from of_assignment(node.target, node.value)
    elif isinstance(node, ast.arguments):
        last = node.args[len(node.args) - len(node.defaults) :]
        keyword_only = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        for argument, default in [*zip(last, node.defaults, strict=False), *keyword_only]:
            if argument.arg in NAMES and default is not None and (said := reason(default)):
                yield said, None


def documented() -> dict[str, set[int]]:
    """The rows of the page's tables: reasons in the first cell, statuses in the second."""
    rows: dict[str, set[int]] = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and cells[1].startswith("`"):
            for name in re.findall(r"`([a-z0-9_]+)`", cells[1]):
                rows.setdefault(name, set()).update(int(status) for status in re.findall(r"\d{3}", cells[2]))
    return rows


def fits(name: str, known: str) -> bool:
    return name.startswith(known[:-1]) if known.endswith("*") else name == known


@pytest.mark.parametrize("folders", [GATEWAY, SERVICES], ids=["gateway", "services"])
def test_every_reason_has_an_entry(folders: list[Path]) -> None:
    page = documented()
    assert [known for known in reasons(folders) if not any(fits(name, known) for name in page)] == []


@pytest.mark.parametrize("folders", [GATEWAY, SERVICES], ids=["gateway", "services"])
def test_its_statuses_are_told(folders: list[Path]) -> None:
    page = documented()
    missing = {
        known: statuses - page[name]
        for known, statuses in reasons(folders).items()
        for name in page
        if fits(name, known) and not statuses <= page[name]
    }
    assert missing == {}


def test_no_entry_is_left_of_what_is_gone() -> None:
    source = [*reasons(GATEWAY), *reasons(SERVICES)]
    assert [name for name in documented() if not any(fits(name, known) for known in source)] == []


def test_the_search_finds_each_form() -> None:
    code = """
_DETAILS = {Error: ("from_a_table", "text")}
class NotFound(Error):
    reason = "from_a_class"
raise Refused(400, f"repeated_{name}")
raise Problem(503, "from_a_call", "text")
raise BadToken("from_a_token", "text")
answer(reason="from_a_keyword")
def answer(*what, reason="from_a_default"): ...
reason, detail = _DETAILS.get(error, ("from_an_assignment", "some text"))
log.error("not a reason")
"""
    found = {said for node in ast.walk(ast.parse(code)) for said, _ in of_node(node)}
    assert found == {
        "from_a_table", "from_a_class", "repeated_*", "from_a_call", "from_a_token", "from_a_keyword",
        "from_a_default", "from_an_assignment",
    }  # fmt: skip
