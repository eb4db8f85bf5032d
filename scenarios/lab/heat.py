"""The blast radius to look at: tables for the terminal, and a picture for pages. The darker, the farther.

One row for each foothold, one column for each architecture. A shade compares a number with the largest of its kind in
the whole table; the numbers stand beside it, since colours are not for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from gateway.cli.console import console
from scenarios.lab.blast import JOURNEYS, LOST, Cell

STYLES: Final = ("green", "yellow", "dark_orange", "bold red")
"""From nothing to as much as anywhere in the table."""
Number = Callable[[Cell], int]
REACHED: Final[Sequence[tuple[str, Number]]] = (
    ("services", lambda one: one.services),
    ("operations", lambda one: one.operations),
    ("records", lambda one: one.records),
)
HELD: Final[Sequence[tuple[str, Number]]] = (
    ("secrets", lambda one: one.secrets),
    ("databases", lambda one: one.databases),
    ("records seen", lambda one: one.seen),
)
BROKEN: Final[Sequence[tuple[str, Number]]] = (("journeys lost", lambda one: len(JOURNEYS) - one.journeys),)


def print_radius(cells: Sequence[Cell]) -> None:
    """Three tables: what is reached of others, what is at hand, and what people lose."""
    taken = [one for one in cells if one.foothold not in LOST]
    lost = [one for one in cells if one.foothold in LOST]
    if taken:
        _print("Taken over: services / operations / records of others within reach", taken, REACHED)
        _print("At hand there: secrets / databases opened / records seen passing by", taken, HELD)
    if lost:
        _print(f"Lost: of {len(JOURNEYS)} journeys of people, those that end", lost, BROKEN)
    click.echo("What a foothold keeps itself is lost with it, and not counted. Every operation: --json")


def _print(title: str, cells: Sequence[Cell], numbers: Sequence[tuple[str, Number]]) -> None:
    architectures = _columns(cells)
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    drawn.add_column("FOOTHOLD", no_wrap=True)
    for architecture in architectures:
        drawn.add_column(architecture.upper(), no_wrap=True)
    most = _most(cells, numbers)
    for foothold, row in _rows(cells).items():
        drawn.add_row(foothold, *(_cell(row.get(name), numbers, most) for name in architectures))
    console().print(Text(title, "bold"))
    console().print(drawn)
    click.echo()


def _cell(one: Cell | None, numbers: Sequence[tuple[str, Number]], most: Sequence[int]) -> Text:
    if one is None:
        return Text("–")
    parts = [
        (f"{number(one)}", STYLES[_shade(number(one), top)]) for (_, number), top in zip(numbers, most, strict=True)
    ]
    text = Text()
    for index, (count, style) in enumerate(parts):
        text.append(" / " if index else "")
        text.append(count, style)
    return text


def _columns(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(one.architecture for one in cells))


def _rows(cells: Sequence[Cell]) -> dict[str, dict[str, Cell]]:
    rows: dict[str, dict[str, Cell]] = {}
    for one in cells:
        rows.setdefault(one.foothold, {})[one.architecture] = one
    return rows


def _most(cells: Sequence[Cell], numbers: Sequence[tuple[str, Number]]) -> list[int]:
    return [max(1, *(number(one) for one in cells)) for _, number in numbers]


def _shade(count: int, most: int) -> int:
    """0 for nothing, else 1 to 3."""
    return -(-count * (len(STYLES) - 1) // most)


# -- a picture -----------------------------------------------------------------------------------------------------

WIDTH: Final = 960
LABEL: Final = 190
ROW: Final = 46
HEAD: Final = 34


def svg(cells: Sequence[Cell]) -> str:
    """A picture that stands in a page: no script, nothing fetched; colours by the page's classes `heat0` to `heat3`."""
    architectures = _columns(cells)
    wide = (WIDTH - LABEL) // max(1, len(architectures))
    rows = _rows(cells)
    high = HEAD + ROW * len(rows) + 4
    title = "Blast radius: footholds by architectures"
    drawn = [
        f'<svg viewBox="0 0 {WIDTH} {high}" role="img" aria-label="{title}" xmlns="http://www.w3.org/2000/svg">',
        *(
            f'<text class="head" x="{LABEL + wide * index + wide // 2}" y="22" text-anchor="middle">{name}</text>'
            for index, name in enumerate(map(escape, architectures))
        ),
    ]
    most = _most(cells, REACHED)
    for index, (foothold, row) in enumerate(rows.items()):
        top = HEAD + ROW * index
        drawn.append(f'<text class="label" x="0" y="{top + 27}">{escape(foothold)}</text>')
        for column, name in enumerate(architectures):
            if name in row:
                drawn += _square(row[name], LABEL + wide * column, top, wide, most)
    return "\n".join([*drawn, "</svg>"])


def _square(one: Cell, x: int, y: int, wide: int, most: Sequence[int]) -> list[str]:
    middle = x + wide // 2
    if one.foothold in LOST:
        lost = len(JOURNEYS) - one.journeys
        shade = _shade(lost, len(JOURNEYS))
        big, small = f"{one.journeys} of {len(JOURNEYS)}", "journeys work"
    else:
        shares = [number(one) / top for (_, number), top in zip(REACHED, most, strict=True)]
        shade = _shade(round(100 * sum(shares)), 100 * len(shares))
        big = f"{one.operations} operations"
        small = f"{one.services} services · {one.records} records"
    return [
        f'<rect class="heat{shade}" x="{x + 2}" y="{y + 2}" width="{wide - 4}" height="{ROW - 4}" rx="5"/>',
        f'<text class="big heat{shade}" x="{middle}" y="{y + 21}" text-anchor="middle">{big}</text>',
        f'<text class="small heat{shade}" x="{middle}" y="{y + 36}" text-anchor="middle">{small}</text>',
    ]
