"""Whether this instance is defended, as the console's banner says it.

The problem: whoever attacks, or shows numbers to others, must know whether a control is missing just now. The rule:
what stands in for a configuration file, and what the lab has noted in the state directory (`lab.json`: it notes a
weakness before it makes it), is told with the time since when. A configuration that somebody tries is no weakness.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane

NOTES: Final = "lab.json"
MAX_NOTES: Final = 64 * 1024
MAX_TOLD: Final = 50


def defence(plane: ControlPlane) -> dict[str, Any]:
    """`weakened`: what and since when (seconds since the epoch), oldest first; `trial`: a configuration being tried."""
    told = noted(plane.settings.state_dir / NOTES)
    found = [plane.reloader.override, plane.mesh.plane.override if plane.mesh else None]
    for override in found:
        if override is not None and not override.trial:
            told.setdefault(override.why, override.since)
    weakened = [{"what": what, "since": since} for what, since in sorted(told.items(), key=lambda one: one[1])]
    trials = [override.view() for override in found if override is not None and override.trial]
    return {"weakened": weakened[:MAX_TOLD], "trial": trials[0] if trials else None}


def noted(path: Path) -> dict[str, float]:
    """The scenarios that the lab has weakened; since when, as far as it says so, else since the notes were written."""
    try:
        written = path.stat()
        notes = json.loads(path.read_text("utf-8")) if written.st_size <= MAX_NOTES else {}
    except (OSError, ValueError):  # no notes, or being written just now: a second later they are read again
        return {}
    broken, since = notes.get("broken", []), notes.get("since", {})
    return {str(name): float(since.get(name, written.st_mtime)) for name in broken}
