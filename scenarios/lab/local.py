"""Who may talk to a listener of the lab's: programs of this machine, by its loopback address.

The problem: a web page in somebody's browser can send requests to 127.0.0.1, and a name that an attacker owns can point
there (DNS rebinding). The rule: the Host must be an address of loopback, and no request with an Origin of somewhere
else is answered; and the lab listens nowhere but on loopback.
"""

from __future__ import annotations

import ipaddress
from email.message import Message
from urllib.parse import urlsplit

from gateway.cli.console import Misuse


def is_local(host: str) -> bool:
    """Whether this is loopback, written as an address or as `localhost`."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_local(host: str) -> None:
    """Listen here, or not at all.

    Raises:
        Misuse: it is not loopback.
    """
    if not is_local(f"[{host}]" if ":" in host else host):
        raise Misuse(f"The lab listens on this machine's loopback only, not on {host!r}.")


def is_stranger(headers: Message) -> bool:
    """Whether a request comes by another name than loopback's, or from a page of somewhere else."""
    origin = headers.get("Origin")
    return not is_local(headers.get("Host", "")) or (origin is not None and not is_local(urlsplit(origin).netloc))
