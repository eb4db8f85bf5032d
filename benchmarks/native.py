"""The native build (docs/native.md) as a contestant of its own: the same worker, with its hot path compiled to C.

The problem: a build of yesterday's sources would be measured under today's name. The rule: it takes part only while
each of its modules is, byte for byte, the one of this checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "native" / "site"
"""Where `make native` lays out the wheel that it has built."""


def environment() -> dict[str, str]:
    """What a Python process must be told so that it takes `gateway` from there."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(SITE), str(ROOT))), "PYTHONSAFEPATH": "1"}


def version() -> str:
    """What was built; empty where nothing was, or something else than this checkout."""
    compiled = sorted(SITE.glob("gateway/**/*.so"))
    return f"{len(compiled)} modules compiled by mypyc (make native)" if compiled and up_to_date(SITE) else ""


def up_to_date(site: Path) -> bool:
    """Whether a build has the sources of this checkout, all of them and no others."""
    return _sources(ROOT / "gateway") == _sources(site / "gateway")


def _sources(package: Path) -> dict[str, bytes]:
    """The text of each module; what a wheel has under `data` lies elsewhere in a checkout."""
    modules = {str(path.relative_to(package)): path for path in package.rglob("*.py")}
    return {name: path.read_bytes() for name, path in modules.items() if not name.startswith("data/")}
