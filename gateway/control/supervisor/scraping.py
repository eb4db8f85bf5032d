"""What a Prometheus is to scrape, as files in the state directory: ours with `--prometheus`, or one of your own.

The problem: ports differ from start to start, and copies of services come and go; a scrape configuration that names
addresses is wrong tomorrow. The rule: Prometheus finds its targets in a file (file_sd,
https://prometheus.io/docs/guides/file-sd/) that is replaced as a whole whenever a copy comes or goes, and Prometheus
sees that by itself. The configuration and the rules beside it are those of dashboards/prometheus, unchanged.

Labels of a target are ours, and what a target says under the same name is renamed `exported_…`: a service that was
taken over cannot pass its numbers off as another's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gateway.control.resources import data_dir

if TYPE_CHECKING:
    from gateway.control.supervisor.plan import Site

LOOPBACK = "127.0.0.1"


def write_scraping(site: Site) -> None:
    """Configuration, rules and targets, into the state directory."""
    folder = site.state.prometheus
    shutil.copytree(data_dir("dashboards") / "prometheus", folder, dirs_exist_ok=True)
    write_targets(site)


def write_targets(site: Site) -> None:
    """Which processes there are to scrape, as of now."""
    new = site.state.prometheus / "targets.new"
    new.write_text(json.dumps(list(targets(site)), indent=2))
    new.replace(site.state.prometheus / "targets.json")


def targets(site: Site) -> Iterator[dict[str, Any]]:
    """In file_sd's form; the gateway's workers speak through the control process, which adds them up.

    So do sidecars, at an address of their own, where each sample names its service.
    """
    admin = f"{LOOPBACK}:{site.ports['admin']}"
    yield _target(admin, job="gateway", instance="gateway")
    if site.mesh is not None:
        yield _target(admin, job="sidecars", instance="sidecars", __metrics_path__="/mesh/metrics")
    for entry in site.manifest.services:
        for copy in site.copies_of(entry.name) if entry.port else ():
            yield _target(
                f"{LOOPBACK}:{copy.port}",
                job="services",
                instance=f"{entry.name}-{copy.number}",
                service=entry.name,
                version=copy.version,
            )
    if site.prometheus:
        yield _target(f"{LOOPBACK}:{site.ports['prometheus']}", job="prometheus", instance="prometheus")


def _target(address: str, **labels: str) -> dict[str, Any]:
    return {"targets": [address], "labels": labels}
