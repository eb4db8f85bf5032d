"""What this worker's caches hold, and emptying them, for the admin API.

The problem: whoever has published something wrong wants it gone now, everywhere. The rule: a purge forgets what is kept
and sees to it that what is on its way is not kept either; each worker does it for itself and says how many it was.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.compile.snapshot import Snapshot

TOLD: Final = 20


def caches(snapshot: Snapshot) -> dict[str, Any]:
    """Each cache: how full it is, and the answers that were given most."""
    return {"caches": [one.view(TOLD) for one in snapshot.caches.values()]}


def purge(snapshot: Snapshot, asked: dict[str, Any]) -> dict[str, Any]:
    """Forget answers: {"cache": a name or None for all, "path": a path, one that ends with `*`, or None for all}.

    Raises:
        ValueError: there is no such cache.
    """
    name, path = asked["cache"], asked["path"]
    found = [one for one in snapshot.caches.values() if name in (None, one.spec.name)]
    if name is not None and not found:
        raise ValueError(f"there is no cache {name!r}")
    return {"purged": sum(one.purge(path) for one in found)}
