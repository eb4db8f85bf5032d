"""Protection that a client sidesteps by leaving something out."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import authenticates
from gateway.audit.model import Check, Found, System
from gateway.audit.overlap import Place, below, places


def find(system: System) -> Iterator[Found]:
    """Public matches that take what a protected one declines because a header or parameter is not there."""
    every = places(system)
    protected = [one for one in every if one.wanted and authenticates(system, one.route)]
    for one in every:
        for other in protected if one.route.public else ():
            if _takes_over(one, other):
                missing = ", ".join(sorted(name for _, name, *_ in other.wanted - one.wanted))
                told = f"takes requests of route {other.route.name} that leave out {missing}"
                path = ("routes", one.route_index, "matches", one.match_index)
                yield Found(path, f"route {one.route.name}", told)


def _takes_over(public: Place, protected: Place) -> bool:
    method, wanted = public.match.method, protected.match.method
    mine, theirs = public.match.path, protected.match.path
    return (
        bool(public.listeners & protected.listeners and public.hosts & protected.hosts)
        and (method is None or wanted is None or method == wanted)
        and public.wanted < protected.wanted
        and (mine == theirs or (mine.type == "PathPrefix" != theirs.type and below(theirs.value, mine)))
    )


CHECK = Check(
    id="public-beside-protected",
    severity="medium",
    title="A protected route can be sidestepped by leaving out a header or parameter",
    why="A client chooses what it sends: without the header, the public route serves the same path.",
    fix="Make the public route narrower, or protect both. Where the service decides by itself what strangers may see, "
    "accept it with that reason.",
    owasp="API2:2023",
    find=find,
)
