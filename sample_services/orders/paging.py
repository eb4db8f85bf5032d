"""Lists come in pages, and a page is found by where the last one ended, not by a number of rows to skip.

`OFFSET 10000` makes the database read and throw away ten thousand rows, and shows a row twice when another
was inserted before it. A cursor ("after id 1041") is found through the index and stays right while the list
grows. The next page's address is given twice: in the body for programs, and as a `Link` header (RFC 8288) for
everybody who follows links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar
from urllib.parse import urlencode


class HasId(Protocol):
    """Anything with an id to continue from."""

    @property
    def id(self) -> int:
        """The id."""
        ...


ThingT = TypeVar("ThingT", bound=HasId)


def split_page(rows: Sequence[ThingT], limit: int) -> tuple[Sequence[ThingT], int | None]:
    """The page and the cursor of the next one; `rows` holds one more than `limit` if there is a next one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], rows[limit - 1].id


def next_link(path: str, query: Mapping[str, str], cursor: int | None) -> dict[str, str]:
    """The header for the next page, if there is one; other query parameters stay as they were."""
    if cursor is None:
        return {}
    target = f"{path}?{urlencode({**query, 'cursor': cursor})}"
    return {"Link": f'<{target}>; rel="next"'}
