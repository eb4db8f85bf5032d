"""TLS: files that exist, fit together, are valid now and are private; names that clients can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from gateway.spec.certificates import Unusable, check_authorities, read_pair
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.models import Certificate, ClusterTls, ListenerTls, Spec


def check_tls(spec: Spec, now: float) -> Iterator[Finding]:
    """Every file that a listener, a cluster or a store names."""
    for index, listener in enumerate(spec.listeners):
        if listener.tls is not None:
            yield from _check_listener(listener.tls, ("listeners", index, "tls"), now)
    for index, cluster in enumerate(spec.clusters):
        if cluster.tls is not None:
            yield from _check_cluster(cluster.tls, ("clusters", index, "tls"), now)
    for index, store in enumerate(spec.stores):
        if store.tls is not None and store.tls.ca is not None:
            yield from _check_ca(store.tls.ca, ("stores", index, "tls", "ca"), now)


def _check_listener(tls: ListenerTls, path: Path, now: float) -> Iterator[Finding]:
    if tls.mesh == bool(tls.certificates):
        yield Finding((*path, "mesh"), "name at least one of certificates, or say mesh: true, and not both")
    if tls.mesh and tls.client_certificates is not None:
        yield Finding((*path, "clientCertificates"), "in a mesh every client shows a certificate of the mesh")
    for index, pair in enumerate(tls.certificates):
        yield from _check_pair(pair, (*path, "certificates", index), now, serves=True)
    if tls.client_certificates is not None:
        yield from _check_ca(tls.client_certificates.ca, (*path, "clientCertificates", "ca"), now)


def _check_cluster(tls: ClusterTls, path: Path, now: float) -> Iterator[Finding]:
    if tls.identity is not None and (tls.ca or tls.server_name or tls.client_certificate):
        yield Finding((*path, "identity"), "the mesh says whom to believe: no ca, serverName or clientCertificate")
    if tls.ca is not None:
        yield from _check_ca(tls.ca, (*path, "ca"), now)
    if tls.client_certificate is not None:
        yield from _check_pair(tls.client_certificate, (*path, "clientCertificate"), now, serves=False)


def _check_pair(pair: Certificate, path: Path, now: float, *, serves: bool) -> Iterator[Finding]:
    try:
        found = read_pair(FilePath(pair.cert), FilePath(pair.key), now)
    except Unusable as problem:
        yield Finding((*path, problem.part), str(problem))
        return
    if serves and not found.names:
        message = f"{FilePath(pair.cert).name} has no subject alternative names: every client would refuse it"
        yield Finding((*path, "cert"), f"{message} (RFC 9525)")


def _check_ca(ca: str, path: Path, now: float) -> Iterator[Finding]:
    try:
        check_authorities(FilePath(ca), now)
    except Unusable as problem:
        yield Finding(path, str(problem))
