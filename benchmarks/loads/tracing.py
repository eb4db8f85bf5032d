"""The usual load, and how many spans of it arrived at the collector.

A tracer that drops spans looks cheap, so the row says how many came out: 2 per request are all of them at 100 %.
The CPU time includes that of the export, which goes on for a while after the last answer.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import replace

from benchmarks.loads.wrk import Wrk
from benchmarks.model import Sample, Site

QUIET = 1.3
"""Seconds without a new span until all have come; the gateway sends once a second."""
GIVE_UP = 15.0


def settle(site: Site) -> None:
    """Wait until no more spans come."""
    end = time.monotonic() + GIVE_UP
    count, since = _spans(site.backend_port), time.monotonic()
    while time.monotonic() < min(since + QUIET, end):
        time.sleep(0.1)
        if (fresh := _spans(site.backend_port)) != count:
            count, since = fresh, time.monotonic()


warm_up = Wrk(settle=settle)


def traced(site: Site) -> Sample:
    """Load, wait for the spans, and count them."""
    before = _spans(site.backend_port)
    sample = Wrk(settle=settle)(site)
    requests = sample.values["rate"] * site.seconds
    arrived = (_spans(site.backend_port) - before) / requests if requests else 0.0
    return replace(sample, values=sample.values | {"spans_per_request": arrived})


def _spans(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/spans")
        return int(json.loads(connection.getresponse().read())["spans"])
    finally:
        connection.close()
