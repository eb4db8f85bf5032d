"""A picture for every product, without a single image file: quarter circles in a grid, chosen by the product's id.

The same id always gives the same picture, so people recognise a product, and nothing has to be stored or loaded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

COLUMNS, ROWS, EDGE = 6, 3, 40
PALETTES: Final = 6
_SHAPES: Final = (
    "M0 0H40A40 40 0 0 1 0 40Z",  # quarter circle
    "M0 0A40 40 0 0 0 40 40V0Z",  # its complement
    "M0 20A20 20 0 0 1 40 20Z",  # half circle
    "M20 6A14 14 0 1 1 19.99 6Z",  # dot
    "M0 0H40L0 40Z",  # triangle
)


@dataclass(frozen=True)
class Tile:
    """One shape of the picture: an SVG path with its place, quarter turns and tone (1 to 3)."""

    path: str
    transform: str
    tone: int


def tiles(seed: str) -> list[Tile]:
    """The picture of the product `seed`, for a viewBox of 240 × 120."""
    noise = hashlib.sha256(seed.encode()).digest()
    return [_tile(place, noise[place]) for place in range(COLUMNS * ROWS)]


def _tile(place: int, noise: int) -> Tile:
    row, column = divmod(place, COLUMNS)
    turn = f"translate({column * EDGE} {row * EDGE}) rotate({90 * (noise & 3)} 20 20)"
    return Tile(_SHAPES[(noise >> 2) % len(_SHAPES)], turn, 1 + (noise >> 5) % 3)
