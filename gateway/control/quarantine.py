"""Which third parties are in quarantine.

The problem: whoever notices that a third party turned hostile must be able to shut it out at once, in both directions,
and no restart, reload or worker that comes later may let it in again. The rule: a quarantine is a part of what is sent
to the workers. Each route that leads to the third party, and each by which it sends (its webhooks), gets a filter in
front that lets nothing pass; that goes out as any configuration does, numbered and acknowledged by everybody, and is
saved with the last good one. The decision itself is a file, which outlives the instance.

Pure, but for `Quarantine`, which owns the file: documents in, documents out, and shaping twice is the same as once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter

from gateway.control.egress_part import listeners_of, ways_out
from gateway.control.revision import write_private

OURS: Final = "gatehouse egress quarantine"
"""Which line decided: by this a filter that we put there is known from one of the file."""
Document = dict[str, Any]


class Verdict(BaseModel):
    """Why a third party is shut out, and since when (seconds since the epoch)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    why: str = ""
    since: float


_VERDICTS: Final = TypeAdapter(dict[str, Verdict])


class Quarantine:
    """Who is shut out."""

    def __init__(self, path: Path) -> None:
        """Go on with what an earlier process had decided.

        Raises:
            ValueError: the file is none of ours. Nobody is let in because a file cannot be read.
        """
        self._path = path
        try:
            self.verdicts = _VERDICTS.validate_json(path.read_bytes())
        except FileNotFoundError:
            self.verdicts = {}
        except ValueError as error:
            raise ValueError(f"{path}: who is in quarantine cannot be read: {error}") from None

    def change(self, third_party: str, why: str | None) -> Mapping[str, Verdict]:
        """Shut it out, or let it in again (None); gives what held before, for `put_back`.

        Raises:
            OSError: it could not be written down, so nothing has changed.
        """
        before = dict(self.verdicts)
        after = {name: verdict for name, verdict in before.items() if name != third_party}
        if why is not None:
            after[third_party] = Verdict(why=why, since=time.time())
        self.put_back(after)
        return before

    def put_back(self, verdicts: Mapping[str, Verdict]) -> None:
        """Let these hold."""
        write_private(self._path, orjson.dumps({name: one.model_dump() for name, one in verdicts.items()}))
        self.verdicts = dict(verdicts)

    def shape(self, document: Document) -> Document:
        """A configuration as workers are to serve it."""
        return isolated(document, self.verdicts)


def isolated(document: Document, verdicts: Mapping[str, Verdict]) -> Document:
    """A configuration in which these third parties reach nothing, and nobody reaches them."""
    out = ways_out(document)

    def parties(route: Document) -> Iterator[str]:
        """Whose route it is: to whom it leads, and who sends by it."""
        yield from (out[name] for name in sorted(listeners_of(route, document) & out.keys()))
        yield from (one["sender"] for one in route["filters"] if one["type"] == "WebhookSignature")

    def shut(route: Document) -> Document:
        barred = [_filter(party, verdicts[party]) for party in dict.fromkeys(parties(route)) if party in verdicts]
        written = [one for one in route["filters"] if one.get("where") != OURS]
        return route if [*barred, *written] == route["filters"] else {**route, "filters": [*barred, *written]}

    return {**document, "routes": [shut(route) for route in document["routes"]]}


def _filter(party: str, verdict: Verdict) -> Document:
    return {"type": "Quarantine", "thirdParty": party, "why": verdict.why, "where": OURS}
