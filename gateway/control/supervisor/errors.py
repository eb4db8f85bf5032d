"""What may go wrong while starting, in words for the person who typed the command."""

from __future__ import annotations


class CannotStart(Exception):
    """Starting was refused or failed; `str()` is the reason, to be shown as it is.

    `exit_code` is 2 when what was asked for cannot be done (configuration, ports, state directory: nothing
    was started) and 1 when processes were started and did not become ready (all were stopped again).
    """

    def __init__(self, reason: str, exit_code: int = 2) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
