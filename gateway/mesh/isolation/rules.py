"""What a confined process may do, as a value: made by the supervisor, sent to the process, applied by itself.

What does not stand here is refused. Nothing of it is secret.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

MEMORY_MIB = 512
OPEN_FILES = 2_048
FILE_MIB = 1_024


@dataclass(frozen=True)
class Rules:
    """Paths are absolute; those that do not exist are passed over. A folder stands for all beneath it."""

    read: tuple[str, ...] = ()
    """Files to read, folders to read and list."""
    listed: tuple[str, ...] = ()
    """Folders whose file names, and nothing else, may be read: Python looks for modules there."""
    write: tuple[str, ...] = ()
    """Files to write, folders in which to make, change and remove files."""
    run: tuple[str, ...] = ()
    """Programs that it may execute; empty: it starts no other process at all."""
    bind: tuple[int, ...] | None = ()
    """TCP ports to listen on; None: any."""
    connect: tuple[int, ...] | None = ()
    """TCP ports to connect to, at whatever address: Landlock knows ports only; None: any."""
    names: bool = False
    """It must find addresses by name: DNS over TCP, since UDP is not to be had."""
    unix: bool = False
    """It may connect to Unix sockets with a path: those of others ask for a secret."""
    home: str = ""
    """Its HOME, with a folder `tmp` for what is temporary; empty: those of the environment."""
    memory_mib: int = MEMORY_MIB
    """Of data: private memory that it may write (RLIMIT_DATA). Reserved addresses do not count."""
    open_files: int = OPEN_FILES
    file_mib: int = FILE_MIB
    """The size of the largest file that it may write."""

    def dump(self) -> bytes:
        """The JSON form."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, document: bytes) -> Rules:
        """The inverse of `dump`.

        Raises:
            ValueError: not JSON, or something else: better no process than one with other rules than were meant.
        """
        found: Any = json.loads(document)
        if not isinstance(found, dict) or set(found) - {field.name for field in fields(cls)}:
            raise ValueError("not the rules of a confined process")
        values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in found.items()}
        return cls(**values)
