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


def sayings(processes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What each says, by its name; without those that are not meant to be confined, or have said nothing yet."""
    said = {str(process["name"]): str(process.get("isolation") or NONE) for process in processes}
    return {name: words for name, words in said.items() if words != NONE}


def sentences(processes: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for all that say the same."""
    by_words: dict[str, list[str]] = defaultdict(list)
    for name, words in sayings(processes).items():
        by_words[words].append(name)
    return [f"Isolation {words}: {', '.join(names)} ({PAGE})." for words, names in by_words.items()]
