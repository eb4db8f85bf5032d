"""Services in JavaScript: started where there is a Node.js that can run them.

The problem: a shop in several languages is not worth much if it needs all of them to start. The rule: where there is no
`node`, or one that is too old, its services stay down and are named in a note; everything else runs, and a route to
them answers 503, as for any service that is away.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gateway.control.supervisor.manifest import Manifest, ServiceEntry
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.program import python_module

NEEDED = 18
"""The oldest that has what is used: fetch, and HTTP headers one by one."""
_MEMORY_MIB = 64


def node_version(which: Callable[[str], str | None] = shutil.which) -> int | None:
    """The major version of `node` on the PATH; None without one."""
    path = which("node")
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v(\d+)\.", said)
    return int(match[1]) if match else None


def without_node(
    manifest: Manifest, version: Callable[[], int | None] = node_version
) -> tuple[Manifest, tuple[str, ...]]:
    """The manifest as it can be run here, and what to say about it; `version` is asked only if it matters."""
    wanting = [entry.name for entry in manifest.services if entry.node and entry.autostart]
    if not wanting:
        return manifest, ()
    found = version()
    if found is not None and found >= NEEDED:
        return manifest, ()
    has = "there is none on the PATH" if found is None else f"this one is {found}"
    note = f"{', '.join(wanting)} needs Node.js {NEEDED} or newer ({has}); everything else runs without it"
    services = tuple(replace(entry, autostart=entry.autostart and not entry.node) for entry in manifest.services)
    return replace(manifest, services=services), (note,)


def program_of(entry: ServiceEntry, options: Options, module: str = "") -> tuple[str, ...]:
    """The command that runs a service; `module`: another than its own."""
    if not entry.node:
        return python_module(module or entry.module)
    folder = Path(options.manifest or ".").parent
    return (shutil.which("node") or "node", f"--max-old-space-size={_MEMORY_MIB}", str(folder / entry.node))
