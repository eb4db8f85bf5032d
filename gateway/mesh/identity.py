"""Names of workloads, as Istio writes them: `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE`."""

from __future__ import annotations

from typing import Final

TRUST_DOMAIN: Final = "gatehouse.local"
NAMESPACE: Final = "shop"
_PREFIX: Final = f"spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/sa/"


def identity_of(service: str) -> str:
    """The SPIFFE ID of a service, of `gateway`, `control` or `authority`."""
    return _PREFIX + service


def service_of(identity: str) -> str | None:
    """Whose identity it is; None when it is none of ours."""
    name = identity.removeprefix(_PREFIX)
    return name if name != identity and name and "/" not in name else None
