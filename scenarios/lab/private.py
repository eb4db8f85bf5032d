"""An instance of the lab's own: nobody's shop is touched by `run` and `selfcheck`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.console import Failure
from gateway.cli.instance import Instance, find
from gateway.control.supervisor import launch
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.options import Options, default_manifest, default_mesh
from scenarios.lab.model import Architecture


@contextmanager
def private_instance(architecture: Architecture) -> Iterator[Instance]:
    """A shop on free ports, in a directory that goes with it.

    Raises:
        Failure: it cannot be started.
    """
    root = Path(tempfile.mkdtemp(prefix="gatehouse-lab-"))
    options = Options(
        state_dir=str(root / "state"),
        manifest=str(default_manifest()),
        architecture=architecture,
        mesh=str(default_mesh()) if architecture == "mesh" else None,
        port_base=0,
    )
    launched = launch.start(options, detach=False)
    try:
        launched.until_up(lambda event: None)
        yield find(root / "state")
    except CannotStart as error:
        raise Failure(f"The lab's own shop did not start: {error}") from None
    finally:
        launched.close()
        launched.process.wait()
        shutil.rmtree(root, ignore_errors=True)
