"""The configurations that were in force lately, as texts, to go back to; and what is different about another one.

The problem: whoever has tried something wants what was there before, also when the file has been saved over. The rule:
the text of each configuration that was accepted from the file or tried in the console is kept, the latest ten. What the
lab has weakened is not: going back must never bring a weakness back.
"""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KEPT: Final = 10
MAX_DIFF: Final = 2_000
NAMED: Final = ("listeners", "filters", "providers", "stores", "clusters", "routes")


@dataclass(frozen=True)
class Kept:
    """One text that was in force."""

    version: int
    time: str
    why: str
    text: str


class KeptTexts:
    """A ring of them, each text once; of two that mean the same, and so have one version, the later one."""

    def __init__(self) -> None:
        self._texts: deque[Kept] = deque(maxlen=KEPT)

    def add(self, kept: Kept) -> None:
        """It is in force now."""
        others = (one for one in self._texts if kept.text != one.text and kept.version != one.version)
        self._texts = deque([*others, kept], maxlen=KEPT)

    def get(self, version: int) -> Kept | None:
        """That version's."""
        return next((one for one in self._texts if one.version == version), None)

    def view(self) -> list[dict[str, Any]]:
        """The newest first, without the texts."""
        return [{"version": one.version, "time": one.time, "why": one.why} for one in reversed(self._texts)]


def text_diff(before: str, after: str) -> list[str]:
    """What changed, as a unified diff with three lines of context; no more than MAX_DIFF lines."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "in force", "new", lineterm="")
    return [line for line, _ in zip(lines, range(MAX_DIFF), strict=False)]


def meaning_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What changes for requests: `route orders-read: changed`, `cluster mirror: new`, …"""
    found = []
    for kind in NAMED:
        old, new = _by_name(before.get(kind, ())), _by_name(after.get(kind, ()))
        for name in [*new, *(name for name in old if name not in new)]:
            if old.get(name) != new.get(name):
                what = "new" if name not in old else "gone" if name not in new else "changed"
                found.append(f"{kind.removesuffix('s')} {name}: {what}")
    rest = (before.keys() | after.keys()) - set(NAMED)
    return found + [f"{name}: changed" for name in sorted(rest) if before.get(name) != after.get(name)]


def _by_name(items: Any) -> dict[str, Any]:
    """Items by name, or by type and place; without the lines at which they stand, which move with every line above."""
    if not isinstance(items, list | tuple):
        return {"": items}
    return {str(one.get("name") or f"{one.get('type')} {index + 1}"): _unplaced(one) for index, one in enumerate(items)}


def _unplaced(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _unplaced(one) for name, one in value.items() if name not in ("where", "line")}
    return [_unplaced(one) for one in value] if isinstance(value, list | tuple) else value
