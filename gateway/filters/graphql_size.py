"""The size of a selection: what the limits of a GraphQL guard are held against.

The problem: sizes are added up along a tree, and the cost depends on variables that each request brings anew. The
rule: a Size is immutable and made of those of its parts; a cost is a Formula: a number, and parts that
are multiplied by a length, which is a number or the name of a variable. A fragment's formula is shared by all its
spreads and worked out once, so ten fragments that spread each other twice stay ten, not 2¹⁰.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

INTROSPECTION: Final = frozenset(("__schema", "__type"))
MAX_LENGTH: Final = 1_000_000_000


class Unacceptable(Exception):
    """What is wrong with a request, as the reason and the sentence that the client gets."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


Length = int | str
"""Of a list: a number, or the name of the variable that says it."""


@dataclass(frozen=True, eq=False)
class Formula:
    """`number` + Σ length × part."""

    number: int = 0
    parts: tuple[tuple[Length, Formula], ...] = ()

    def plus(self, number: int) -> Formula:
        """The sum."""
        return Formula(self.number + number, self.parts)

    def times(self, length: Length) -> Formula:
        """The product; a plain number where no variable is involved."""
        if isinstance(length, str):
            return Formula(0, ((length, self),)) if self.number or self.parts else self
        if length == 1:
            return self
        return Formula(0, ((length, self),)) if self.parts else Formula(self.number * length)

    def value(self, variables: Mapping[str, Any], defaults: Mapping[str, int]) -> int:
        """The cost with these variables. A length is at least 1: nobody gets a discount for `first: -1000`."""
        worked_out: dict[int, int] = {}

        def of(formula: Formula) -> int:
            known = worked_out.get(id(formula))
            if known is None:
                parts = (_length(length, variables, defaults) * of(part) for length, part in formula.parts)
                known = worked_out[id(formula)] = formula.number + sum(parts)
            return known

        return of(self)


ONE: Final = Formula(1)


def _length(length: Length, variables: Mapping[str, Any], defaults: Mapping[str, int]) -> int:
    if isinstance(length, int):
        return length
    value = variables.get(length)
    if value is None:
        value = defaults.get(length, 1)
    if isinstance(value, float) and value.is_integer():  # a JSON client may write 5.0, and GraphQL takes it for 5
        value = int(value)
    return min(max(value, 1), MAX_LENGTH) if isinstance(value, int) else 1


class Size(NamedTuple):
    """How big a selection is, fragments expanded."""

    depth: int = 0
    """Levels of fields; what stands below introspection is not counted."""
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False
    cost: Formula = Formula()
    roots: Mapping[str, int] = {}
    """How often each field of the first level is asked for."""

    def with_directives(self, count: int) -> Size:
        """As many directives more."""
        return self._replace(directives=self.directives + count) if count else self

    def with_roots(self, roots: Mapping[str, int]) -> Size:
        """Other names for the fields of the first level."""
        return self._replace(roots=roots)

    @property
    def root_fields(self) -> int:
        """How many fields the first level has."""
        return sum(self.roots.values())


def together(sizes: Iterable[Size]) -> Size:
    """Selections that stand in one object: what depends on variables is kept by reference, never copied."""
    all_of_them = tuple(sizes)
    roots: dict[str, int] = {}
    for one in all_of_them:
        for name, count in one.roots.items():
            roots[name] = roots.get(name, 0) + count
    return Size(
        depth=max((one.depth for one in all_of_them), default=0),
        fields=sum(one.fields for one in all_of_them),
        aliases=sum(one.aliases for one in all_of_them),
        directives=sum(one.directives for one in all_of_them),
        introspects=any(one.introspects for one in all_of_them),
        cost=Formula(
            sum(one.cost.number for one in all_of_them if not one.cost.parts),
            tuple((1, one.cost) for one in all_of_them if one.cost.parts),
        ),
        roots=roots,
    )
