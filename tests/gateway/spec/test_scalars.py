"""YAML 1.2 core scalars, and variables in them."""

from __future__ import annotations

import math

import pytest
import yaml

from gateway.spec.scalars import Scalar, resolve, substitute


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("shop.example", "shop.example"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("+", "+"),
        ("1" * 5_000, "1" * 5_000),  # int() of it would take quadratic time, and Python refuses
    ],
)
def test_core_schema(text: str, value: Scalar) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"), [("no", "no"), ("on", "on"), ("y", "y"), ("12:30", "12:30"), ("010", 10), ("1_000", "1_000")]
)
def test_words_that_yaml_1_1_misreads(text: str, value: Scalar) -> None:
    assert resolve(text) == value
    assert yaml.safe_load(text) != value or text == "y"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${PORT}", "8088"),
        ("a${PORT}b${PORT}", "a8088b8088"),
        ("${NOWHERE:-9}", "9"),
        ("${EMPTY:-9}", "9"),
        ("${EMPTY}", ""),
        ("${NOWHERE:-}", ""),
        ("${NOWHERE:-a:-b}", "a:-b"),
        ("$${PORT}", "${PORT}"),
        ("$PORT ^/a$", "$PORT ^/a$"),
        ("${NESTED}", "${PORT}"),  # what a variable holds is not looked at again
    ],
)
def test_variables(text: str, result: str) -> None:
    assert substitute(text, {"PORT": "8088", "EMPTY": "", "NESTED": "${PORT}"}) == result


@pytest.mark.parametrize("text", ["${NOWHERE}", "${}", "${a b}", "${A", "${1}", "${A-b}"])
def test_variables_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="write "):
        substitute(text, {})
