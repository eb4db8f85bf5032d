r"""Text from outside, made safe to print.

The problem: a path, header or log line that an attacker chose can carry escape sequences which move the
cursor, hide text, or change the terminal's title (CWE-150), and invisible Unicode that shows another text
than it holds (CVE-2021-42574). The rule: whatever Gatehouse did not write itself goes through `visible`
before it is printed, and appears as what it is: `\x1b[2J` in letters.

Rich's own `[bold]` markup is the second danger; `gateway.cli.console` never interprets it.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = {
    "Cc",
    "Cf",
    "Cs",
    "Co",
    "Cn",
    "Zl",
    "Zp",
}  # control, format, surrogate, unassigned, line separators


def visible(text: object, keep: str = "") -> str:
    r"""The text with everything that is not a visible character or a space written as `\x1b`, `\u202e`.

    `keep` names characters to leave as they are: a body's own line ends, for example.
    """
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(char if char in keep or not _is_hidden(char) else _written(char) for char in plain)


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN


def _written(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
