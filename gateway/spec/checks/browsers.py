"""What concerns browsers: no wildcard together with credentials, and origins in the form that browsers send."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.spec.checks.finding import Finding, Path
from gateway.spec.filters import Cors, Csrf

_DEFAULT_PORTS = (("http://", ":80"), ("https://", ":443"))


def check_cors(item: Cors, path: Path) -> Iterator[Finding]:
    """One CORS filter."""
    if item.allow_credentials and "*" in item.allow_origins:
        message = '"*" with allowCredentials would let every page act as the user who is logged in: list the origins'
        yield Finding((*path, "allowOrigins", item.allow_origins.index("*")), message)
    if item.allow_credentials and "*" in item.expose_headers:
        message = '"*" is only the name of a header when credentials are allowed (Fetch standard): list the headers'
        yield Finding((*path, "exposeHeaders", item.expose_headers.index("*")), message)
    if "*" in item.allow_origins and len(item.allow_origins) > 1:
        yield Finding((*path, "allowOrigins"), '"*" allows every origin: take out the others, or "*"')
    yield from check_origins(item.allow_origins, (*path, "allowOrigins"))


def check_csrf(item: Csrf, path: Path) -> Iterator[Finding]:
    """One CSRF filter."""
    yield from check_origins(item.origins, (*path, "origins"))


def check_origins(origins: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """Origins that no browser ever sends."""
    for index, origin in enumerate(origins):
        for scheme, port in _DEFAULT_PORTS:
            if origin.startswith(scheme) and origin.endswith(port):
                message = f'"{origin}" would never match: browsers leave the default port out'
                yield Finding((*path, index), message, origin.removesuffix(port))
