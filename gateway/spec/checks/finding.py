"""What a check reports: a place in the document and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

Path = tuple[str | int, ...]


class Finding(NamedTuple):
    """One mistake; the loader adds line, column and text."""

    path: Path
    message: str
    suggestion: str | None = None


def duplicates(names: Iterable[str], path: Path, what: str) -> Iterator[Finding]:
    """A finding for every name of the list at `path` that has occurred before."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield Finding((*path, index, "name"), f'{what} "{name}" exists already; names are unique')
        seen.add(name)
