"""Regular expressions of a configuration, by an engine that takes linear time.

The problem: `(a+)+$` keeps Python's `re` busy for hours on thirty characters that a stranger sends (ReDoS, CWE-1333).
The rule: RE2 (https://github.com/google/re2/wiki/Syntax), as in Envoy; no back-references or look-around, and
bounded memory. A pattern must match the whole value, as in Envoy's safe_regex.
"""

from __future__ import annotations

from typing import Protocol, cast

import re2

_MAX_MEMORY = 1 << 20


class Pattern(Protocol):
    """A compiled expression."""

    def fullmatch(self, text: str) -> object | None:
        """Something when the whole text matches."""


def compile_pattern(pattern: str) -> Pattern:
    """Compile for full matches.

    Raises:
        ValueError: it is no RE2 expression, or one that is too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return cast(Pattern, re2.compile(pattern, options))
    except re2.error as error:
        detail = error.args[0] if error.args else error
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise ValueError(f"not a valid regular expression (RE2): {text}") from None
