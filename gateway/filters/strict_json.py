"""JSON, read so strictly that nobody can read it in another way.

The problem: RFC 8259 leaves open what a member means that stands twice, what `NaN` is, how large a number may be and
how deep a value; a gateway and a service that settle this differently see two different bodies. The rule: whatever is
left open is refused, and every number is one that both can hold.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Final

JSON_TYPE: Final = re.compile(rb'application/json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
"""Media types that are JSON in UTF-8 and nothing else."""
DIGITS: Final = 30
_ZEROS: Final = bytes(0x30 if chr(one) in "0123456789" else 0x20 for one in range(256))
_LONG: Final = b"0" * (DIGITS + 1)
_HOLDERS: Final = frozenset((dict, list))
_HALVES: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(body: bytes, max_depth: int = 0) -> Any:
    """The value in a body of JSON in UTF-8; numbers with a fraction are floats.

    Args:
        max_depth: how many arrays and objects may lie in each other; 0: as many as the reader can take.

    Raises:
        ValueError: it is none, or one that may be read in several ways; a sentence for the client.
    """
    value = _read(body, _CAREFUL if _LONG in body.translate(_ZEROS) else _COMMON)
    # As many levels as there are brackets, at most: nearly every body needs no second look.
    if max_depth and body.count(b"[") + body.count(b"{") > max_depth:
        _check_depth(value, max_depth)
    return value


def read_exact_json(body: bytes) -> Any:
    """The same of any depth, but numbers with a fraction are decimals: nothing is rounded.

    Raises:
        ValueError: as above.
    """
    return _read(body, _EXACT)


def _read(body: bytes, reader: json.JSONDecoder) -> Any:
    try:
        return reader.decode(body.decode())
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error.msg} at character {error.pos}") from None


def _check_depth(value: Any, max_depth: int) -> None:
    """Level by level, so that nothing recurses; what the reader itself can take is bounded by its own stack."""
    level = [value] if type(value) in _HOLDERS else []
    for _ in range(max_depth):
        inside = (one.values() if type(one) is dict else one for one in level)
        level = [one for holder in inside for one in holder if type(one) in _HOLDERS]
    if level:
        raise ValueError(f"the JSON is nested deeper than {max_depth} levels")


def has_halves(body: bytes) -> bool:
    """Whether it may hold halves of characters (JSON's \\ud800 alone), which no UTF-8 can carry."""
    if not _HALVES.search(body):
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice in one object: readers may disagree which of them counts")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > DIGITS:  # reading a decimal number costs the square of its length
        raise ValueError(f"a number has more than {DIGITS} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large to be one")
    return value


def _decimal(text: str) -> Decimal:
    if len(text) > DIGITS or math.isinf(float(text)):
        raise ValueError(f"a number has more than {DIGITS} digits, or is too large to be one")
    return Decimal(text)


_COMMON: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
_CAREFUL: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
)
"""For bodies with so many digits in a row; a function for each number costs half of the reading."""
_EXACT: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_decimal, parse_int=_integer
)
