"""Texts that were measured already.

The problem: clients send the same few queries again and again, and parsing costs a hundred times what looking up
costs; but they may also send a new one each time. The rule: least recently used goes first, bounded by the number
of entries and by the characters of their texts, to which what is kept is proportional. Only good texts are kept:
nonsense must not push them out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class TextCache(Generic[V]):
    """Values by the SHA-256 of a text."""

    def __init__(self, entries: int, characters: int) -> None:
        self._entries = entries
        self._characters = characters
        self._kept: OrderedDict[str, tuple[V, int]] = OrderedDict()
        self.used = 0
        """Characters of all texts whose values are kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, digest: str) -> V | None:
        """The value, which is now the latest used."""
        found = self._kept.get(digest)
        if found is None:
            return None
        self._kept.move_to_end(digest)
        return found[0]

    def put(self, digest: str, value: V, characters: int) -> None:
        """Keep a value of a text of so many characters."""
        if digest in self._kept:
            return
        self._kept[digest] = value, characters
        self.used += characters
        while len(self._kept) > self._entries or self.used > self._characters:
            _, (_, freed) = self._kept.popitem(last=False)
            self.used -= freed
