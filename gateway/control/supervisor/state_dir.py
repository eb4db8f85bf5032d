"""The state directory: everything one installation keeps on disk, private to its owner.

The problem: passwords, keys and control sockets lie in files; whoever can write there is the gateway's
administrator, and two supervisors on one directory would destroy each other's data. The rule: the directory
is ours with mode 0700 or we do not start, and an advisory lock (released by the kernel even after kill -9)
admits one supervisor at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.control.supervisor.errors import CannotStart

LONGEST_SOCKET_PATH = 100
"""sun_path holds 104 bytes on macOS and 108 on Linux (unix(7)), the final zero included."""


@dataclass(frozen=True)
class StateDir:
    """Where each thing lies."""

    root: Path

    @property
    def instance(self) -> Path:
        """How to reach the running instance; exists only while it is ready."""
        return self.root / "instance.json"

    @property
    def partner_keys(self) -> Path:
        """API keys of partners, hashed."""
        return self.root / "partner-keys.json"

    @property
    def installation(self) -> Path:
        """Generated passwords and secrets."""
        return self.root / "installation.json"

    @property
    def last_good(self) -> Path:
        """The last configuration that every worker of this instance accepted; an earlier instance's is removed."""
        return self.root / "last-good.json"

    @property
    def supervisor_socket(self) -> Path:
        """Where the CLI and the control process ask."""
        return self.root / "supervisor.sock"

    @property
    def control_socket(self) -> Path:
        """Where gateway workers meet the control process."""
        return self.root / "control.sock"

    @property
    def authority_socket(self) -> Path:
        """Where the mesh's certificate authority is commanded."""
        return self.root / "authority.sock"

    @property
    def mesh(self) -> Path:
        """The mesh's root, and who is shut out."""
        return self.root / "mesh"

    @property
    def registry(self) -> Path:
        """Where sidecars are, for a control process that is restarted."""
        return self.root / "mesh-registry.json"

    @property
    def lock(self) -> Path:
        """Held by the running supervisor; holds its pid as text."""
        return self.root / "lock"

    @property
    def redis(self) -> Path:
        """Redis' configuration and data."""
        return self.root / "redis"

    @property
    def prometheus(self) -> Path:
        """What a Prometheus scrapes and judges by, and the data of ours."""
        return self.root / "prometheus"

    def data(self, service: str) -> Path:
        """A service's own directory, or its sidecar's."""
        return self.root / "data" / service

    def log(self, process: str) -> Path:
        """What a process wrote to its standard output and error."""
        return self.root / "logs" / f"{process}.log"


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """`$GATEHOUSE_STATE_DIR`, else the XDG state directory (XDG Base Directory Specification 0.8)."""
    if chosen := environ.get("GATEHOUSE_STATE_DIR"):
        return Path(chosen).absolute()
    xdg = environ.get("XDG_STATE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".local" / "state"
    return base / "gatehouse"


def prepare(root: Path) -> StateDir:
    """Create the directory with its folders, or check the existing one.

    Raises:
        CannotStart: not a directory, not ours, open to others, or its path too long for sockets.
    """
    state = StateDir(root.absolute())
    _check_length(state)
    try:
        state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(state.root)
        for folder in (state.root / "logs", state.root / "data", state.redis, state.prometheus):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"state directory {state.root}: {error.strerror or error}") from error
    return state


def _check_length(state: StateDir) -> None:
    length = len(os.fsencode(state.supervisor_socket))
    if length > LONGEST_SOCKET_PATH:
        raise CannotStart(
            f"state directory {state.root}: the path of its socket would have {length} bytes, and Unix sockets "
            f"allow {LONGEST_SOCKET_PATH}; choose a shorter one with --state-dir"
        )


def _check_private(root: Path) -> None:
    status = root.stat()
    if status.st_uid != os.geteuid():
        raise CannotStart(f"state directory {root} belongs to user id {status.st_uid}, not to you")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise CannotStart(f"state directory {root} is open to other users; make it private: chmod 700 {root}")


def take_lock(state: StateDir) -> int:
    """Become this directory's only supervisor; the lock holds until the returned descriptor is closed.

    Raises:
        CannotStart: another instance runs here; its pid is named.
    """
    fd = os.open(state.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(fd, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise CannotStart(
            f"an instance is already running on {state.root} (supervisor pid {pid}); "
            "stop it with `gatehouse down`, or choose another --state-dir"
        ) from None
    own_lock(fd)
    return fd


def own_lock(fd: int) -> None:
    """Say whose the lock is now."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def is_locked(root: Path) -> bool:
    """Whether an instance holds this directory, be it between two supervisors."""
    try:
        with (root / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def write_private(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON so that a reader, or a crash in between, sees the old file or the new one, never a half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
