"""The reviews of a new installation: always the same ones. Nobody in them is real.

Product ids are those of the orders service's own seed; should they ever differ, reviews of unknown products
simply never show.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final

from sample_services.kit.settings import Settings
from sample_services.storefront import reviews
from sample_services.storefront.reviews import Review

_FIRST: Final = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
_BETWEEN: Final = timedelta(hours=31, minutes=7)

_REVIEWS: Final = (
    ("3", "bob", 4, "Does what a padlock does. The second key is already lost, which is not its fault."),
    ("8", "alice", 5, "One candle lights the whole porch. Glass is easy to clean."),
    ("1", "dave", 5, "Hangs straight, closes by itself, smells of oak."),
    ("13", "erin", 5, "Says nothing, as promised."),
    ("2", "dave", 4, "Solid. Screws are not in the box."),
    ("9", "frank", 3, "Ten litres are heavy. That is physics, but still."),
    ("14", "alice", 4, "Exact to the minute, on four days so far."),
    ("5", "erin", 2, "Rings twice. Our dog barks twice, too."),
    ("10", "frank", 5, "Blue tits moved in within a week."),
    ("1", "alice", 4, "Beautiful gate. Delivery needed two people."),
    ("12", "dave", 4, "Full after one night of rain. The tap does not drip."),
    ("15", "bob", 5, "The portcullis really moves! I bought it for my niece and kept it."),
    ("6", "erin", 4, "Dry letters since November."),
    ("7", "frank", 5, "We are number 7 and now everybody knows."),
    ("3", "alice", 5, "Five pins, no wobble, and the shackle is hardened."),
    ("8", "erin", 4, "Pretty. The door of the lantern could close more firmly."),
    ("11", "bob", 3, "Nice white, but the second picket was a little crooked."),
    ("15", "frank", 4, "Detailed down to the arrow slits. Glue sold separately."),
    ("10", "alice", 4, "The cleaning door is a good idea."),
    ("4", "bob", 5, "Keys have a home now."),
    ("1", "erin", 5, "Opens both ways, which our old one never did."),
    ("14", "bob", 3, "Does not work in the cellar."),
)


def seed(connection: sqlite3.Connection, _settings: Settings) -> None:
    """Fills a new database."""
    for position, (product_id, author, stars, text) in enumerate(_REVIEWS):
        created = (_FIRST + position * _BETWEEN).isoformat(timespec="seconds")
        reviews.save(connection, Review(product_id, author, stars, text, created))
