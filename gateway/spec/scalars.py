"""What a plain word of YAML means, and `${NAME}` in it.

The problem: under YAML 1.1 `no` is false (Norway), `022` is 18, and `12:30` is 750 (sexagesimal); PyYAML's own
resolver still works so. The rule: the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema),
where only `true`, `false`, `null` and plain numbers are special. Quoted words are always text.

Variables are replaced after parsing, inside one scalar: a value can therefore never add structure to the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Scalar = str | int | float | bool | None

_CONSTANTS: Mapping[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMBER_STARTS = frozenset("+-.0123456789")
_LONGEST_NUMBER = 32
"""Longer digits are no number of ours; they stay text instead of costing quadratic time."""

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def resolve(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar by the core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS or len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `${NAME}` and `${NAME:-default}` replaced; `$${` stands for a literal `${`.

    As in a shell, the default counts when the variable is not set or empty.

    Raises:
        ValueError: a variable without value or default, or a malformed reference.
    """
    if "${" not in text:
        return text
    return _VARIABLE.sub(lambda match: _value(match, variables), text)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match[1] is None:
        return "${"
    reference = _REFERENCE.fullmatch(match[1])
    if reference is None or not match[2]:
        raise ValueError(
            f'"{match[0]}" is not a variable; write ${{NAME}} or ${{NAME:-default}}, or $${{ for the text itself'
        )
    name, default = reference[1], reference[2]
    value = variables.get(name)
    if value is None and default is None:
        raise ValueError(f"variable {name} is not set and has no default; write ${{{name}:-default}} to give one")
    return default if default is not None and not value else value or ""
