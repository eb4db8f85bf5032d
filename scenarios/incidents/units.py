"""How values are shown to people."""

from __future__ import annotations


def seconds(value: float) -> str:
    """A duration."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def share(value: float) -> str:
    """A part of a whole."""
    return f"{value:.0%}"


def times(value: float) -> str:
    """A multiple."""
    return f"{value:.1f}"


def per_second(value: float) -> str:
    """A rate."""
    return f"{value:.1f}/s"


def mebibytes(value: float) -> str:
    """A size."""
    return f"{value / 1_048_576:.0f} MiB"


def clock(value: float) -> str:
    """A time since the begin: minutes and seconds."""
    return f"{int(value) // 60}:{int(value) % 60:02}"
