"""Sentences for models that are not ours: a filter of one's own may use anything that pydantic has."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from gateway.spec.errors import SpecErrors
from gateway.spec.loader import load
from gateway.spec.models import FilterSpec, Model


class Inner(Model):
    """Something inside a filter."""

    colour: Literal["red", "green"] = "red"


class Own(FilterSpec):
    """A filter of somebody's own."""

    type: Literal["Own"] = "Own"
    code: str = Field("A1", pattern=r"^[A-Z][0-9]$", min_length=2)
    even: int = Field(2, multiple_of=2)
    inner: Inner | None = None
    level: Literal[1, 2] = 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("code: a1", r'"a1" is not of the form \^\[A-Z\]\[0-9\]\$'),
        ("code: A", "needs at least 2 character"),
        ("even: 3", "input should be a multiple of 2"),
        ("inner: {color: red}", 'unknown key "color" .did you mean "colour"'),
        ("inner: {colour: gren}", '"gren" is not one of red, green .did you mean "green"'),
        ("level: 3", "the number 3 is not one of 1, 2"),
        ("colour: {nested: [1]}", 'unknown key "colour"'),
    ],
)
def test_any_model_is_told_about_in_words(keys: str, message: str) -> None:
    text = f"filters:\n  - type: Own\n    {keys}\n"
    with pytest.raises(SpecErrors, match=message):
        load(text, "f", {}, {"Own": Own})
