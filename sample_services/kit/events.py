"""Reading what another service wrote: strict about what we use, tolerant of everything else.

The writer may be newer than the reader. Unknown fields and unknown types of events are therefore no errors
(the *tolerant reader* pattern); a field that we do need, missing or of the wrong type, is one. What a reader
needs it says in a model of its own: each has another view of the same event.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

CREATED: Final = "order.created"
CANCELLED: Final = "order.cancelled"
MAX_BYTES: Final = 64 * 1024

Text = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1, le=2**53)]


class MalformedEventError(ValueError):
    """This entry is not an event; reading it again will not help."""


class Read(BaseModel):
    """A part of an event, as far as its reader needs it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Event(Read):
    """What every event has around its facts."""

    id: Text
    type: Text
    time: AwareDatetime
    traceparent: str | None = None

    @property
    def seconds(self) -> float:
        """When it happened, in seconds since 1970."""
        return self.time.timestamp()


class _Envelope(Read):
    id: Text
    type: Text
    traceparent: str | None = None
    data: JsonValue


EventT = TypeVar("EventT", bound=Event)


def parse_as(model: type[EventT], known: Collection[str], raw: bytes) -> EventT | None:
    """The event, or None when it is of a type that does not concern us.

    Raises:
        MalformedEventError: it says what is wrong, without repeating the content.
    """
    if len(raw) > MAX_BYTES:
        raise MalformedEventError(f"{len(raw)} bytes; the limit is {MAX_BYTES}")
    try:
        if _Envelope.model_validate_json(raw).type not in known:
            return None
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise MalformedEventError(_summary(error)) from error


def _summary(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'event'}: {fault['msg']}" for fault in faults[:5])
