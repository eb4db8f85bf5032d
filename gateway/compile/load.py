"""Reading a configuration with all installed filters: what `up`, `check`, reload and `run` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.compile.table import answering_types, authenticating_types, filter_types
from gateway.spec.loader import load
from gateway.spec.models import Spec


def load_text(text: str, file: str, variables: Mapping[str, str]) -> Spec:
    """A checked spec.

    Raises:
        SpecErrors: everything that is wrong with it, each with its line.
    """
    return load(text, file, variables, filter_types(), authenticating_types(), answering_types())


def load_spec(path: Path, variables: Mapping[str, str]) -> Spec:
    """A checked spec from a file.

    Raises:
        OSError: the file cannot be read.
        SpecErrors: everything that is wrong with it, each with its line.
    """
    return load_text(path.read_text(encoding="utf-8"), path.name, variables)
