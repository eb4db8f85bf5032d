"""JSON of clients, read so that nobody behind us can read it in another way, and at a bounded cost.

The problem: readers disagree about members that stand twice, about NaN and about numbers that no double holds, and a
number of a million digits takes minutes. The rule: such texts are refused; what they would have meant is no question.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

JSON_TYPE: Final = re.compile(rb'application/json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
"""Media types that are JSON in UTF-8 and nothing else."""
_DIGITS: Final = 30


def read_json(body: bytes) -> Any:
    """The value that a body says; numbers with a fraction are floats.

    Raises:
        ValueError: it is not JSON as everybody reads it; a sentence for the client.
    """
    return _read(body, _FLOATS)


def read_exact_json(body: bytes) -> Any:
    """The same, but numbers with a fraction are decimals: nothing is rounded.

    Raises:
        ValueError: as above.
    """
    return _read(body, _DECIMALS)


def _read(body: bytes, reader: json.JSONDecoder) -> Any:
    try:
        return reader.decode(body.decode())
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error.msg} at character {error.pos}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice in one object: readers may disagree which of them counts")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int:
    if len(text) > _DIGITS:  # reading a decimal number costs the square of its length
        raise ValueError(f"a number has more than {_DIGITS} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large to be one")
    return value


def _decimal(text: str) -> Decimal:
    if len(text) > _DIGITS or math.isinf(float(text)):
        raise ValueError(f"a number has more than {_DIGITS} digits, or is too large to be one")
    return Decimal(text)


def _reader(fractions: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_integer, parse_float=fractions
    )


_FLOATS: Final = _reader(_finite)
_DECIMALS: Final = _reader(_decimal)
