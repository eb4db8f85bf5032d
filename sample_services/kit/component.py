"""A service as a value: what it sets up, its tables, and what they begin with.

The problem: code that starts its own process can run in no other form. The rule: a service says what it is made of,
here, and whoever starts it decides where: `python -m sample_services.NAME` as a process of its own, the monolith as one
of its modules. Nothing of a service asks in which form it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from sample_services.kit.service import Seed, Setup, nothing_to_seed, run


@dataclass(frozen=True)
class Component:
    """What a service is made of. `schema` can be run again and again; `seed` fills tables that are new.

    One without a schema keeps nothing.
    """

    name: str
    setup: Setup
    schema: str | None = None
    seed: Seed = nothing_to_seed

    def run(self) -> None:
        """Be this service until told to stop; does not return (see `kit.service.run`)."""
        run(self.name, self.setup, self.schema, self.seed)


def schema_of(package: str) -> str:
    """The package's `schema.sql`."""
    return resources.files(package).joinpath("schema.sql").read_text("utf-8")
