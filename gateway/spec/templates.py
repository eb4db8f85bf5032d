"""Path templates, as Istio's authorization policies have them, with names.

The problem: "the tenant in the path must be that of the token" needs the tenant. The rule: `{name}` stands for one
segment and names it, `{*}` for one without a name, `{**}` at the end for the rest, or none; all else is literal.
A template becomes an expression without alternatives, so matching takes linear time.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_NAMED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,62})\}")


class Template:
    """A compiled template; `names` are those of its parameters."""

    __slots__ = ("_pattern", "names", "text")

    def __init__(self, text: str, pattern: re.Pattern[str]) -> None:
        self.text = text
        self._pattern = pattern
        self.names = frozenset(pattern.groupindex)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a canonical path, percent-decoded; None when it does not match.

        Raises:
            ValueError: a parameter that is no UTF-8 when decoded.
        """
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        return {name: unquote(value, errors="strict") for name, value in found.groupdict().items()}


def compile_template(text: str) -> Template:
    """Compile a template.

    Raises:
        ValueError: braces that mean nothing, `{**}` before the end, or one name twice.
    """
    segments = text.split("/")[1:]
    pattern = ""
    for index, segment in enumerate(segments):
        if segment == "{**}":
            if index != len(segments) - 1:
                raise ValueError("{**} stands for the rest of a path: nothing can follow it")
            pattern += "(?:/.*)?"
        else:
            pattern += "/" + _segment(segment)
    try:
        return Template(text, re.compile(pattern))
    except re.error:
        raise ValueError("a parameter's name stands twice in it") from None


def _segment(segment: str) -> str:
    if segment == "{*}":
        return "[^/]+"
    if named := _NAMED.fullmatch(segment):
        return f"(?P<{named[1]}>[^/]+)"
    if "{" in segment or "}" in segment or "*" in segment:
        raise ValueError(
            f'"{segment}" is no segment: write {{name}} or {{*}} for one whole segment, {{**}} for the rest'
        )
    return re.escape(segment)
