"""A Prometheus of the instance's own (`gatehouse up --prometheus`): which program, and how it runs.

The rule: it is the machine's own Prometheus, the same that people meet at work, and a process like the others: on
loopback, kept alive, confined to its folder and to the ports that it scrapes, with a bounded store. Where there is
none, everything else runs, and whoever looks for alerts is told that nobody evaluates them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.control.supervisor.confinement import prometheus_rules
from gateway.control.supervisor.program import ProcessPlan
from gateway.control.supervisor.readiness import HttpProbe

if TYPE_CHECKING:
    from gateway.control.supervisor.plan import Site

PROMETHEUS: Final = "prometheus"
NEEDED: Final = (2, 26)
"""The oldest that keeps exemplars."""
RETENTION_TIME: Final = "7d"
RETENTION_SIZE: Final = "512MB"
INSTALL: Final = "install it (Debian, Ubuntu: apt install prometheus; macOS: brew install prometheus)"


def find_prometheus(wanted: bool, which: Callable[[str], str | None] = shutil.which) -> tuple[str, tuple[str, ...]]:
    """The program's path, and what to say where it is wanted and cannot be had; an empty path: none runs."""
    if not wanted:
        return "", ()
    path = which(PROMETHEUS)
    version = _version(path) if path else None
    if path and version and version >= NEEDED:
        return path, ()
    has = "there is none on the PATH" if path is None else f"{path} is not Prometheus {'.'.join(map(str, NEEDED))}+"
    return "", (f"no Prometheus: {has}, so no alerts are evaluated; {INSTALL}",)


def _version(path: str) -> tuple[int, ...] | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"prometheus, version (\d+)\.(\d+)", said.stdout + said.stderr)
    return (int(found[1]), int(found[2])) if found else None


def prometheus_plan(site: Site) -> ProcessPlan:
    """Its process; what it reads was written by scraping.py."""
    folder, port = site.state.prometheus, site.ports[PROMETHEUS]
    arguments = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "storage.tsdb.retention.time": RETENTION_TIME,
        "storage.tsdb.retention.size": RETENTION_SIZE,
        "web.listen-address": f"127.0.0.1:{port}",
        "web.cors.origin": rf"http://127\.0\.0\.1:{port}",  # by default the pages of every origin may read it
        "enable-feature": "exemplar-storage",
        "log.format": "json",
    }
    return ProcessPlan(
        name=PROMETHEUS,
        kind="prometheus",
        argv=(site.prometheus, *(f"--{name}={value}" for name, value in arguments.items())),
        cwd=folder,
        log=site.state.log(PROMETHEUS),
        rules=prometheus_rules(site.prometheus, folder, port),
        port=port,
        probe=HttpProbe("127.0.0.1", port, "/-/ready"),
    )
