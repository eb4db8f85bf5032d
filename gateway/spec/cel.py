"""Conditions in CEL, the Common Expression Language of Istio, Envoy and Kubernetes (https://cel.dev).

The problem: no list of fields foresees every condition, and a programming language in a configuration can loop, read
files and be wrong in ways that only a request finds out. The rule: CEL by its C++ implementation, the one in Envoy.
An expression is parsed and type-checked once, when the file is read; it has no loops but `all` and `exists`, whose
steps are counted (10 000 at most), and no regular expressions but RE2. Whatever it cannot compute is `Undecided`,
which is never "yes".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final

MAX_LENGTH: Final = 1_024
_ERROR: Final = re.compile(r"ERROR: <input>:\d+:(\d+): (.*)")
_BUILDS_LISTS: Final = re.compile(r"\.\s*(map|filter)\s*\(")
_PARAMETER: Final = re.compile(r"(?<![\w.])path\s*\.\s*(\w+)")
_NAMES: Final = re.compile(r"(?<![\w.])(claims|path|request|principals)\b")


class Undecided(Exception):
    """A condition that has no answer for this request, e.g. because the claim it compares is missing."""


class Condition:
    """One compiled expression."""

    __slots__ = ("_program", "names", "parameters", "reads_headers", "text")

    def __init__(self, text: str, program: Any) -> None:
        self.text = text
        self._program = program
        self.names = frozenset(_NAMES.findall(text))
        """The variables that it mentions, so that nobody prepares others."""
        self.parameters = frozenset(_PARAMETER.findall(text))
        """The path parameters that it mentions."""
        self.reads_headers = "headers" in text

    def __repr__(self) -> str:
        return f"<Condition {self.text}>"

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Whether it is true.

        Raises:
            Undecided: it is neither true nor false.
        """
        try:
            value = self._program.eval(data=variables).value()
        except (RuntimeError, ValueError) as error:  # ValueError: a text that is no UTF-8
            raise Undecided(_reason(error)) from None
        if isinstance(value, bool):
            return value
        raise Undecided(_reason(value))


def _reason(error: object) -> str:
    """`NOT_FOUND: Key not found in map : "tenant"` → `Key not found in map : "tenant"`."""
    return str(error).partition(": ")[2].removesuffix(" [INTERNAL]") or str(error)


@cache
def _environment() -> tuple[Any, Any]:
    """The library and what expressions may speak of. Imported by whoever has a condition: it takes 9 MiB."""
    import cel_expr_python.cel as cel

    text, anything = cel.Type.STRING, cel.Type.DYN
    variables = {
        "claims": cel.Type.Map(text, anything),
        "path": cel.Type.Map(text, text),
        "request": cel.Type.Map(text, anything),
        "principals": cel.Type.List(text),
    }
    return cel, cel.NewEnv(variables=variables)


@lru_cache(1_024)  # the check of a file and the filters that come of it ask for the same ones
def compile_condition(text: str) -> Condition:
    """Parse and type-check an expression.

    Raises:
        ValueError: it is no CEL, speaks of unknown things, or is no condition.
    """
    if built := _BUILDS_LISTS.search(text):
        raise ValueError(f"{built[1]} builds lists, in quadratic time; a condition needs only all, exists and in")
    cel, environment = _environment()
    try:
        program = environment.compile(text)
    except RuntimeError as error:
        raise ValueError(_located(str(error))) from None
    if program.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise ValueError(f"is no condition: it gives {program.return_type().name()}, not true or false")
    return Condition(text, program)


def _located(error: str) -> str:
    """The first thing the compiler says, with its column, without its drawing."""
    found = _ERROR.search(error)
    return f"not a valid CEL expression: column {found[1]}: {found[2]}" if found else f"not valid CEL: {error}"
