"""Sticky sessions: that a cookie's lifetime is said once, and that there is somebody to stick to."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.spec.checks.finding import Finding, Path
from gateway.spec.models import Route


def check_session(route: Route, forwarding: Collection[str], path: Path) -> Iterator[Finding]:
    """A cookie that a browser shall keep says until when; `forwarding` clusters have no endpoints of their own."""
    session = route.session_persistence
    if session is None:
        return
    permanent = session.cookie_config.lifetime_type == "Permanent"
    place = (*path, "sessionPersistence")
    if permanent and session.absolute_timeout is None:
        yield Finding(place, "a Permanent cookie needs absoluteTimeout")
    if not permanent and session.absolute_timeout is not None:
        yield Finding((*place, "absoluteTimeout"), "is for cookieConfig: {lifetimeType: Permanent} only")
    if any(one.cluster in forwarding for one in route.backend_refs):
        yield Finding(place, "the host that a request names is where it goes: nothing to stick to")
    if not route.backend_refs:
        yield Finding(place, "this route has no cluster to choose an endpoint of")
