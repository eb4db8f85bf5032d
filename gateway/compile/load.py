"""Reading a configuration with all installed filters: what `up`, `check`, reload and `run` have in common."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from gateway.compile.table import answering_types, authenticating_types, filter_classes, filter_types
from gateway.spec.errors import SpecError, SpecErrors
from gateway.spec.loader import load
from gateway.spec.mesh import Members, certificate_life, load_mesh
from gateway.spec.models import Spec
from gateway.spec.reading import read_file


def load_text(text: str, file: str, variables: Mapping[str, str], folder: Path | None = None) -> Spec:
    """A checked spec; paths in it are relative to `folder`, or to the working directory.

    Raises:
        SpecErrors: everything that is wrong with it, each with its line.
    """
    return load(text, file, variables, filter_types(), authenticating_types(), answering_types(), folder)


def load_mesh_file(
    path: Path, variables: Mapping[str, str], members: Members, text: str | None = None
) -> dict[str, Spec]:
    """The checked specs of a mesh's sidecars, by service; from a `text` that stands in for what the file holds.

    Raises:
        SpecErrors: the file cannot be read, or everything that is wrong with it, each with its line.
    """
    known = (filter_types(), authenticating_types(), answering_types())
    text = read_file(path) if text is None else text
    return load_mesh(text, path.name, variables, members, *known, path.parent, time.time())


def load_certificate_life(path: Path, variables: Mapping[str, str]) -> float:
    """For how many seconds a mesh's certificates are good.

    Raises:
        SpecErrors: the file cannot be read, or says no duration.
    """
    return certificate_life(read_file(path), path.name, variables)


def load_spec(path: Path, variables: Mapping[str, str], text: str | None = None) -> Spec:
    """A checked spec from a file, or from a `text` that stands in for what the file holds.

    Raises:
        SpecErrors: it cannot be read, or everything that is wrong with it, each with its line.
    """
    spec = load_text(read_file(path) if text is None else text, path.name, variables, path.parent)
    if text is None:
        _refuse_lab_filters(spec)
    return spec


def _refuse_lab_filters(spec: Spec) -> None:
    """What is weak on purpose stands in no file: only the lab puts it in place, and takes it away.

    Raises:
        SpecErrors: a file names it.
    """
    classes = filter_classes()
    for one in (*spec.filters, *(item for route in spec.routes for item in route.filters)):
        if classes[one.type].lab_only:
            file, _, line = one.where.rpartition(":")
            message = f"{one.type} is weak on purpose: only the lab may use it"
            raise SpecErrors([SpecError(file, int(line or 1), 1, "", message)])
