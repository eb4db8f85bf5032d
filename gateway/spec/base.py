"""What every piece of configuration is: frozen, of known keys only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen piece of configuration; keys are camelCase in files, snake_case in Python."""

    # Built when first used: a process that imports thirty models needs the validators of two (25 ms of its start).
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True
    )
