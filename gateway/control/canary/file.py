"""Decisions about canaries on disk: `canaries.json` in the state directory.

The rule: what was decided outlives the process that decided, and the instance: a bad version does not come back because
a machine was restarted. A worker that starts while control is away reads it too (gateway.upstream.canary).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from gateway.control.canary.book import Decision
from gateway.control.revision import write_private

log = logging.getLogger(__name__)

_DECISIONS = TypeAdapter(dict[str, Decision])


def write_decisions(path: Path, decisions: Mapping[str, Decision]) -> None:
    """Replace the file.

    Raises:
        OSError: it could not be written.
    """
    saved = {route: asdict(one) | {"open": one.open} for route, one in decisions.items()}
    write_private(path, orjson.dumps({"canaries": saved}))


def read_decisions(path: Path) -> dict[str, Decision]:
    """What was decided by an earlier process; nothing where there is no such file, or none of ours."""
    try:
        found = orjson.loads(path.read_bytes())
        return _DECISIONS.validate_python(found["canaries"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        log.error("decisions about canaries cannot be read: they begin anew", extra={"error": str(error)[:500]})
        return {}
