"""What the processes say of their own isolation, in a word and in a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

PAGE = "docs/isolation.md"
NONE = "none"
"""Of a process that is not meant to be confined."""


def word(process: Mapping[str, Any]) -> str:
    """For a column: `enforced`, `partial`, `not enforced on this host`, `none`, or a dash while nothing is known."""
    said = str(process.get("isolation") or "–")
    return said.partition(" (")[0].partition(":")[0]


def sentences(processes: Iterable[Mapping[str, Any]]) -> list[str]:
    """What they say, one line for all that say the same; nothing about those that are not meant to be confined."""
    by_saying: dict[str, list[str]] = defaultdict(list)
    for process in processes:
        said = process.get("isolation")
        if said and said != NONE:
            by_saying[str(said)].append(str(process["name"]))
    return [f"Isolation {said}: {', '.join(names)} ({PAGE})." for said, names in by_saying.items()]
