"""What a process may use of the operating system; children inherit it."""

from __future__ import annotations

import logging
import resource

OPEN_FILES = 16_384
"""A gateway worker keeps two sockets per request in flight; the usual soft limit is 256 to 1 024."""
log = logging.getLogger(__name__)


def limit_resources() -> None:
    """Room for connections, and no core dumps: they would hold keys. Children inherit both."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:  # macOS: kern.maxfilesperproc may be below an infinite hard limit
            log.warning("open files stay limited to %d: %s", soft, error)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
