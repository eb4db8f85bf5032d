"""Path templates as matches of our routes: which path, and which goes first.

The problem: `/orders/{id}` is a pattern and `/orders/mine` is not, and of two patterns that fit one request a tool may
take either (OpenAPI 3.1, Path Templating). The rule: a template without parameters is an Exact match, which always goes
before expressions; a parameter is one segment, or a part of one, and never empty; expressions stand most specific
first, segment by segment, since the router takes the first in the file.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote

from gateway.http.messages import Refused
from gateway.http.path import canonical_path
from gateway.spec.openapi.paths import PARAMETER

_STAND_IN: Final = "gatehouse-parameter"
_MAX_VALUE: Final = 1_024
"""Characters of a path in a configuration (gateway.spec.fields.AbsolutePath)."""


class Template(NamedTuple):
    """A path template, ready to be matched."""

    kind: str
    """Exact or RegularExpression."""
    value: str
    segments: tuple[str, ...]
    """In canonical form, with `{}` for each parameter: two templates with the same ones are one path."""

    @property
    def rank(self) -> tuple[tuple[int, int], ...]:
        """The order among expressions: where they differ first, text goes before parts, parts before a parameter."""
        return tuple(map(_rank, self.segments))

    def overlaps(self, other: Template) -> bool:
        """Whether some path may fit both."""
        pairs = zip(self.segments, other.segments, strict=False)
        return len(self.segments) == len(other.segments) and all(a == b or "{}" in a + b for a, b in pairs)


def read_template(template: str) -> Template:
    """A template of a document, its base path in front.

    Raises:
        ValueError: no request could have this path; says why.
    """
    if "?" in template or "#" in template:
        raise ValueError("a path has no query and no fragment")
    plain = PARAMETER.sub(_STAND_IN, template)
    if "{" in plain or "}" in plain:
        raise ValueError("a parameter is a name in braces within one segment, like /orders/{id}")
    try:
        canonical = canonical_path(quote(plain, safe="/-._~!$&'()*+,;=:@%").encode())
    except Refused as refused:
        raise ValueError(f"such requests are refused: {refused.reply.detail}") from None
    segments = tuple(canonical.replace(_STAND_IN, "{}").split("/")[1:])
    pattern = re.escape(canonical).replace(re.escape(_STAND_IN), "[^/]+")
    kind = "RegularExpression" if "%" in canonical or _STAND_IN in canonical else "Exact"
    value = pattern if kind == "RegularExpression" else canonical
    if len(value) > _MAX_VALUE:
        raise ValueError(f"it is longer than {_MAX_VALUE} characters")
    return Template(kind, value, segments)


def _rank(segment: str) -> tuple[int, int]:
    if "{}" not in segment:
        return (0, 0)
    text = len(segment.replace("{}", ""))
    return (1, -text) if text else (2, 0)
