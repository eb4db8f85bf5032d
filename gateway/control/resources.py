"""Where the files that are not Python lie.

The problem: `config/`, `dashboards/` and `docs/lessons/` stand beside the package in a checkout, but inside it, under
`gateway/data/`, in an installed wheel. The rule: ask here, and never build such a path elsewhere.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def data_dir(name: str) -> Path:
    """The directory `config`, `dashboards` or `docs/lessons`, wherever this installation keeps it.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for parent in (_PACKAGE / "data", _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise FileNotFoundError(f"{name}/ is neither beside {_PACKAGE} nor in {_PACKAGE / 'data'}: install again")


def console_dir() -> Path:
    """The console page's files."""
    return data_dir("dashboards") / "console"
