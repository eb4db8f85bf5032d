"""Whether the end of a connection was said, or only happened.

The problem: an answer without a length ends with its connection, and TCP's end is not authenticated: anybody on the
way can send a FIN and cut the answer short (a truncation attack). TLS has a closing message of its own for this, but
asyncio and uvloop report an end with it and an end without it alike, as `connection_lost(None)`. The rule: the TLS
object is asked. It knows of the message for good once it came, and reading from it then says that it is closed; as
long as none came, it asks for more bytes (RFC 8446 section 6.1, RFC 9112 section 9.8).
"""

from __future__ import annotations

import asyncio
import ssl


def end_was_said(transport: asyncio.BaseTransport) -> bool:
    """Whether the peer of a connection that has ended closed it properly; without TLS nobody can tell."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return tls.read(1) == b""  # a byte would be one that nobody was given: no proper end either
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
