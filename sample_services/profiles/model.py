"""What a profile is, and which values its fields may have.

The problem: the same record is read as JSON and as XML, and XML 1.0 cannot carry every character that JSON can
(https://www.w3.org/TR/xml/#charsets). A control character accepted by one face would break the other. The rule:
both faces build these models, so a value is refused at the door or fits everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

# Escapes that Python, Rust and JavaScript all know: the patterns are published in the OpenAPI description.
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\ufffe\uffff]*$"
_EMAIL = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,4}$"

Username = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,31}$")]
FullName = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=_PRINTABLE)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=_EMAIL)]
Phone = Annotated[str, StringConstraints(pattern=r"^(\+[0-9]{6,15})?$")]  # E.164, or nothing
Line = Annotated[str, StringConstraints(max_length=120, pattern=_PRINTABLE)]
Postcode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 -]{0,12}$")]
Country = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")]  # ISO 3166-1 alpha-2, or nothing
Points = Annotated[int, Field(ge=0, le=1_000_000_000)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]

RESERVED = frozenset({"soap"})
"""Names that are paths of this service, so no profile may have them."""


class Model(BaseModel):
    """Frozen; unknown fields are refused rather than ignored (OWASP API3:2023, mass assignment)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fields(Model):
    """Everything about a person that may change; the empty text means that it is not known."""

    full_name: FullName = ""
    email: Email = ""
    phone: Phone = ""
    street: Line = ""
    city: Line = ""
    postcode: Postcode = ""
    country: Country = ""
    loyalty_points: Points = 0


def _some_without_defaults(schema: dict[str, Any]) -> None:
    """A field that is left out stays as it is; to publish a default for it would be wrong."""
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        field.pop("default", None)


def _without_reserved(schema: dict[str, Any]) -> None:
    schema["properties"]["username"]["not"] = {"enum": sorted(RESERVED)}


class Changes(Fields):
    """A partial update: only the fields that were given count, as in a JSON merge patch (RFC 7396)."""

    model_config = ConfigDict(json_schema_extra=_some_without_defaults)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one field to change")
        return self

    def given(self) -> dict[str, Any]:
        """The fields to change with their new values."""
        return self.model_dump(exclude_unset=True)


class NewProfile(Fields):
    """What it takes to create a profile."""

    model_config = ConfigDict(json_schema_extra=_without_reserved)

    username: Username
    full_name: FullName
    email: Email

    @model_validator(mode="after")
    def _free(self) -> Self:
        if self.username in RESERVED:
            raise ValueError(f"the username {self.username!r} is reserved")
        return self


class Profile(NewProfile):
    """A profile as kept. `version` counts its changes, from 1: the basis of optimistic locking."""

    version: int = Field(ge=1)


class RecoveryRequest(Model):
    """Why support recovers a profile; kept with the credential reset that follows."""

    reason: Reason = "profile recovered"
