"""What a limit allows, apart from how much of it is used and where that is kept.

Two kinds. A *rate* refills all the time (GCRA): its use is measured in seconds, the time until the bucket is full.
A *quota* is a number for a window of the calendar and starts anew with the next one: its use is a number of requests.

What clients are told follows draft-ietf-httpapi-ratelimit-headers-11: `RateLimit-Policy` and `RateLimit` are lists of
structured fields (RFC 9651), with one member for each limit of the route.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from gateway.http.messages import Reply, Request

QUOTA_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
ROUNDING: Final = 1e-6
"""Of one request: the last of a burst must not fail by floating point."""
UNITS: Final = ((86_400, "d"), (3_600, "h"), (1, "s"))


class Terms:
    """`used` is in the kind's own measure; `ends` are the seconds until a quota's window is over."""

    kind: str
    reason: str
    span: float
    """What the script takes as `each`: a rate's seconds for a request, a quota's seconds of a window."""

    def __init__(self, name: str, each: float, most: float, size: int, window: int, words: str) -> None:
        """`each` is what one request uses, `most` what may be used in all, `size` how many requests that is."""
        self.name = name
        self.each = each
        self.most = most
        self.limit = most + each * ROUNDING
        self.size = size
        self.words = words
        self.policy = f'"{name}";q={size};w={window}'.encode()
        self._member = f'"{name}"'.encode()
        self._alone = b"ratelimit-policy: %b\r\nratelimit: " % self.policy

    def left(self, used: float) -> int:
        """Requests that may still come at once."""
        return max(int((self.most - used) / self.each + ROUNDING), 0)

    def reset(self, used: float, ends: float) -> float:
        """Seconds until all of it is there again."""
        raise NotImplementedError

    def wait(self, used: float, ends: float, cost: int) -> float:
        """Seconds until a request of this cost fits."""
        raise NotImplementedError

    def member(self, used: float, ends: float) -> bytes:
        """What `RateLimit` says of this limit."""
        return b"%b;r=%d;t=%d" % (self._member, self.left(used), math.ceil(self.reset(used, ends)))

    def lines(self, used: float, ends: float) -> bytes:
        """Both fields, where this is the only limit."""
        return b"%b%b\r\n" % (self._alone, self.member(used, ends))


class RateTerms(Terms):
    """So many requests in a time, with bursts."""

    kind = "rate"
    reason = "rate_limited"

    def __init__(self, name: str, requests: int, per: float, burst: int) -> None:
        each = per / requests
        words = f"{requests} per {per:g} s, bursts of {burst}"
        super().__init__(name, each, each * burst, burst, math.ceil(each * burst), words)
        self.span = each

    def reset(self, used: float, ends: float) -> float:
        """A bucket is full when what was used has flowed back."""
        return used

    def wait(self, used: float, ends: float, cost: int) -> float:
        """Until so much has flowed back that the request fits."""
        return used + self.each * cost - self.most


class QuotaTerms(Terms):
    """So many requests in each window of the calendar (UTC): a day begins at midnight."""

    kind = "quota"
    reason = "quota_exhausted"

    def __init__(self, name: str, requests: int, per: float) -> None:
        words = f"{requests} per {_span(per)}"
        super().__init__(name, 1.0, float(requests), requests, math.ceil(per), words)
        self.span = per

    def reset(self, used: float, ends: float) -> float:
        """All of it comes back with the next window."""
        return ends

    def wait(self, used: float, ends: float, cost: int) -> float:
        """Nothing comes back before the next window."""
        return ends


def _span(seconds: float) -> str:
    """`1 d`, `12 h`, `90 s`."""
    size, unit = next((one for one in UNITS if seconds % one[0] == 0), UNITS[-1])
    return f"{seconds / size:g} {unit}"


AnyTerms = RateTerms | QuotaTerms


def tell(request: Request, terms: Terms, used: float, ends: float = 0.0) -> None:
    """Have the answer say, whoever gives it, what is left."""
    request.limits += ((terms, used, ends),)


def limit_lines(limits: Sequence[tuple[Terms, float, float]]) -> bytes:
    """The ready lines of both fields; a further limit is a further member of the same two lists."""
    if len(limits) == 1:
        terms, used, ends = limits[0]
        return terms.lines(used, ends)
    policies = b", ".join(terms.policy for terms, _, _ in limits)
    members = b", ".join(terms.member(used, ends) for terms, used, ends in limits)
    return b"ratelimit-policy: %b\r\nratelimit: %b\r\n" % (policies, members)


def refusal(terms: Terms, used: float, ends: float, cost: int, policy: str = "") -> Reply:
    """429, with when to come again; without that for a request that costs more than the limit ever has."""
    text = f"limit {terms.name!r}: {terms.words}"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if terms.each * cost > terms.limit:
        text += f"; this request costs {cost}, more than it ever allows"
    else:
        wait = max(math.ceil(terms.wait(used, ends, cost)), 1)
        text += f"; try again in {wait} s"
        headers = ((b"retry-after", b"%d" % wait),)
    return Reply(429, terms.reason, text, headers, problem_type=QUOTA_EXCEEDED, title="Quota exceeded", policy=policy)
