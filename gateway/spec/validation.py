"""The configuration of OpenApiValidation.

The problem: a document that is not held to is soon wrong, and one that is held to from the first day refuses what has
worked for years. The rule: parameters, bodies and answers are each looked at, reported or enforced; what is refused by
default is what nobody has described.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.fields import File, Flag, Integer, spelled
from gateway.spec.models import FilterSpec, Model

Mode = Literal["enforce", "report", "off"]
BasePath = Annotated[
    str, Field(max_length=1_024), spelled(r"/|(/[^/]+)+", 'a path without "/" at its end; write / for none')
]


class RequestRules(Model):
    """What is asked of requests."""

    parameters: Mode = "enforce"
    body: Mode = "enforce"
    unknown_parameters: Literal["refuse", "pass"] = "refuse"
    """Of the query; headers and cookies that a document does not name always pass."""
    other_types: Literal["refuse", "pass"] = "refuse"
    """Bodies of media types that the document names, with a schema that cannot be applied to them."""
    max_bytes: Integer = Field(65_536, gt=0, le=16_777_216)
    """Of a body, which is read whole unless `body` is off."""


class ResponseRules(Model):
    """What is asked of answers."""

    mode: Mode = "report"
    unknown_fields: Literal["refuse", "strip"] = "refuse"
    """Fields that the document does not know: a misfit like others, or taken out."""
    max_bytes: Integer = Field(1_048_576, gt=0, le=16_777_216)
    """Of an answer that is read whole."""


class OpenApiValidation(FilterSpec):
    """Hold requests and answers to an OpenAPI document (OWASP API3:2023, API8:2023)."""

    type: Literal["OpenApiValidation"] = "OpenApiValidation"
    document: File
    base_path: BasePath | None = None
    """What stands before the document's paths; None: the path of its first server."""
    undocumented: Mode = "enforce"
    """Requests that are no operation of the document; `off`: they pass unseen."""
    strict: Flag = False
    """Whether an object whose fields are named has no others, where `additionalProperties` is not said."""
    max_depth: Integer = Field(32, gt=0, le=64)
    """Levels of arrays and objects in a body."""
    request: RequestRules = RequestRules()
    response: ResponseRules = ResponseRules()
    contract: str = Field("", repr=False)
    """What the document says, for workers; filled in by the loader."""

    def files(self) -> tuple[str, ...]:
        """The document."""
        return (self.document,)

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """A document that cannot be held to."""
        from gateway.spec.openapi.contract import read_contract  # not in workers: it reads YAML

        yield from ((("document",), one) for one in read_contract(self.document).mistakes)
        if self.response.mode == "off" and self.response.unknown_fields == "strip":
            yield ("response", "unknownFields"), "nothing is taken out of answers that are not looked at: set mode"

    def loaded(self) -> OpenApiValidation:
        """With the contract."""
        from gateway.spec.openapi.contract import read_contract

        return self.model_copy(update={"contract": read_contract(self.document).text})
