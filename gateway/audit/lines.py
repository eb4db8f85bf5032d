"""On which line of the file something stands.

The problem: a spec has forgotten where its listeners and time-outs stood, and the file may have changed since it was
loaded. The rule: the text is parsed once more for its places alone; they are believed only when every route still
stands where the spec says; otherwise the route's own line must do.
"""

from __future__ import annotations

from gateway.audit.model import Path
from gateway.spec.errors import SpecErrors
from gateway.spec.models import Spec
from gateway.spec.reading import parse
from gateway.spec.source import Source


class Lines:
    """Places of one configuration."""

    def __init__(self, spec: Spec, text: str | None, file: str) -> None:
        """`text` is the file as it is now; None when it cannot be read."""
        self._spec, self._file = spec, file
        self._source = _parsed(text, file) if text is not None else None
        if self._source is not None and not self._fits(self._source):
            self._source = None

    @property
    def exact(self) -> bool:
        """Whether the file at hand is the one that the spec was made of."""
        return self._source is not None

    def where(self, path: Path) -> str:
        """`file:line`, or the nearest to it that is known."""
        if not path:
            return ""
        if self._source is not None:
            return self._source.where(path)
        if path[0] == "routes" and len(path) > 1:
            return self._spec.routes[int(path[1])].where
        return self._file

    def _fits(self, source: Source) -> bool:
        return all(source.where(("routes", index)) == route.where for index, route in enumerate(self._spec.routes))


def _parsed(text: str, file: str) -> Source | None:
    try:
        return parse(text, file, {})
    except SpecErrors:
        return None
