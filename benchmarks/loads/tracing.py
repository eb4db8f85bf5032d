"""The usual load, and how many spans of it arrived at the collector.

A tracer that drops spans looks cheap, so the row says how many came out: 2 per request are all of them at 100 %.
"""

from __future__ import annotations

import http.client
import json
from dataclasses import replace

from benchmarks.loads.wrk import Wrk
from benchmarks.model import Sample, Site

SETTLE = 1.2
"""Seconds until what was queued has been sent; the gateway sends once a second."""

warm_up = Wrk(settle=SETTLE)


def traced(site: Site) -> Sample:
    """Load and count; the CPU time includes that of the export."""
    before = _spans(site.backend_port)
    sample = Wrk(settle=SETTLE)(site)
    requests = sample.values["rate"] * site.seconds
    arrived = (_spans(site.backend_port) - before) / requests
    return replace(sample, values=sample.values | {"spans_per_request": arrived})


def _spans(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/spans")
        return int(json.loads(connection.getresponse().read())["spans"])
    finally:
        connection.close()
