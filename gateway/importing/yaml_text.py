"""Pieces of YAML from text that somebody else wrote.

The rule: a value is always in quotes, a comment always ends where its line ends, and `${` in either means nothing.
"""

from __future__ import annotations

import json


def quoted(text: str) -> str:
    """A value: JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=True).replace("${", "$${")


def comment(text: str, width: int = 110) -> str:
    """One line of comment, without anything that could end it or hide in it."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f"# {plain if len(plain) <= width else plain[: width - 1] + '…'}"
