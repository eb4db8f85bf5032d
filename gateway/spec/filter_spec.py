"""What every filter's configuration has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import Field

from gateway.spec.base import Model

FILLED_IN: Final = ("where", "digest", "contract")
"""Fields of filters and routes that the loader fills in: no keys of a file."""


class FilterSpec(Model):
    """The base of every filter's configuration: `type` names the filter, its own fields follow."""

    type: str
    where: str = Field("", exclude=False, repr=False)
    """`file:line` of this filter, filled in by the loader; what a denied client may be told."""
    digest: str = Field("", repr=False)
    """Of the content of `files`, filled in by the loader: a reload sees when one of them has changed."""

    def files(self) -> tuple[str, ...]:
        """The files whose content is a part of this filter's configuration."""
        return ()

    def loaded(self) -> FilterSpec:
        """This filter with what its files say, where workers are not to read them again."""
        return self

    def copies_to(self) -> tuple[str, ...]:
        """Clusters that get requests of its route besides the one that answers them."""
        return ()

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with this filter beyond its single keys: where in it, and a sentence."""
        return iter(())
