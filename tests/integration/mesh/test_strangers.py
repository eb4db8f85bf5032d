"""Who is nobody of the mesh, or not whom a policy names, gets nothing, and is counted."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from pathlib import Path
from time import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.mesh.authority.certificates import make_workload
from gateway.mesh.authority.issuer import Intermediate
from gateway.mesh.authority.root import fresh_intermediate
from gateway.mesh.identity import identity_of
from gateway.upstream.workload import Workload

SERVICES = ("identity", "orders", "profiles", "storefront")


def refused(mesh: Any, service: str, context: ssl.SSLContext, reason: str, until: Any) -> None:
    before = mesh.turned_away(service, reason)
    with pytest.raises(OSError, match=r"(?i)alert|reset|closed|eof"):
        mesh.call(service, "GET", "/products", context)
    until(lambda: mesh.turned_away(service, reason) == before + 1)


@pytest.mark.parametrize("service", SERVICES)
def test_without_an_identity(mesh: Any, until: Any, service: str) -> None:
    refused(mesh, service, mesh.nobody(), "no_client_certificate", until)


def test_with_one_that_has_expired(mesh: Any, until: Any) -> None:
    expired = mesh.forged(identity_of("gateway"), began=-3_600, life=600)
    refused(mesh, "orders", expired, "bad_client_certificate", until)


def test_with_one_that_is_not_good_yet(mesh: Any, until: Any) -> None:
    early = mesh.forged(identity_of("gateway"), began=3_600, life=600)
    refused(mesh, "orders", early, "bad_client_certificate", until)


def test_with_one_of_another_authority(mesh: Any, until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says the same in every field; only the root is another one."""
    fresh_intermediate(tmp_path / "mesh", 0, rotate=False)
    with monkeypatch.context() as patch:
        patch.setattr(mesh.shop, "state", tmp_path)
        foreign = mesh.of("gateway")
    foreign.load_verify_locations(mesh.shop.state / "mesh" / "root.pem")
    refused(mesh, "orders", foreign, "bad_client_certificate", until)


@pytest.mark.parametrize(
    "identity", ["spiffe://elsewhere.example/ns/shop/sa/gateway", "https://gatehouse.local/gateway"]
)
def test_with_one_of_another_domain(mesh: Any, until: Any, identity: str) -> None:
    """Whoever had taken an intermediate could sign for nobody else: it may speak for our own domain alone."""
    reason = "no_identity" if identity.startswith("https") else "bad_client_certificate"
    refused(mesh, "orders", mesh.forged(identity), reason, until)


def test_the_very_same_with_the_right_identity_gets_through(mesh: Any) -> None:
    """Else the tests above would show nothing."""
    assert mesh.call("orders", "GET", "/products", mesh.of("gateway")).status == 200


@pytest.mark.parametrize(
    ("source", "destination", "method", "path"),
    [
        ("profiles", "orders", "GET", "/products"),
        ("storefront", "orders", "GET", "/openapi.json"),
        ("storefront", "identity", "POST", "/token"),
        ("orders", "identity", "POST", "/token"),
        ("orders", "orders", "GET", "/products"),
        ("control", "orders", "GET", "/products"),
        ("authority", "identity", "GET", "/jwks.json"),
        ("nobody-of-the-shop", "storefront", "GET", "/"),
        ("gateway/sub", "orders", "GET", "/products"),
    ],
)
def test_with_an_identity_that_no_policy_names(
    mesh: Any, until: Any, source: str, destination: str, method: str, path: str
) -> None:
    """Authenticated, and not allowed: that is another thing, and is told another way."""
    counted = "other" if "/" in source else source
    before = mesh.denied(counted, destination)
    told = mesh.call(destination, method, path, mesh.of(source))
    assert (told.status, told.reason) == (403, "policy_not_allowed")
    until(lambda: mesh.denied(counted, destination) == before + 1)


def test_a_header_gives_nobody_an_identity(mesh: Any) -> None:
    fields = (
        f"X-Forwarded-Client-Cert: By=x;URI={identity_of('gateway')}",
        f"X-Client-Certificate: {identity_of('gateway')}",
        "X-Gatehouse-Sidecar: x",
        "X-Gatehouse-Service: x",
    )
    assert mesh.call("orders", "GET", "/products", mesh.of("profiles"), *fields).status == 403


def test_a_path_that_needs_interpretation_meets_the_policy_as_it_is_meant(mesh: Any) -> None:
    """What storefront may call at orders is /products, not whatever a service would make of this."""
    for path in ("/products/../openapi.json", "/products/%2e%2e/openapi.json", "//openapi.json", "/products%2f..%2fx"):
        assert mesh.call("orders", "GET", path, mesh.of("storefront")).status in (400, 403), path


def test_who_is_revoked_is_out_at_once_and_everybody_else_serves_on(mesh: Any, until: Any) -> None:
    """Whatever certificate it shows: this one the authority has never seen."""
    shop, alice = mesh.shop, mesh.shop.token("alice")
    assert shop.send("GET", "/profiles/alice", token=alice).status == 200
    shop.gatehouse("mesh", "revoke", "profiles")
    try:
        until(lambda: shop.send("GET", "/profiles/alice", token=alice).status in (502, 503))
        refused(mesh, "orders", mesh.of("profiles"), "revoked", until)
        assert shop.send("GET", "/orders/1001", token=alice).status == 200
        shown = mesh.shop.gatehouse("mesh", "certificates")
        assert f"Shut out: {identity_of('profiles')}" in shown
    finally:
        shop.gatehouse("mesh", "allow", "profiles")
    until(lambda: shop.send("GET", "/profiles/alice", token=alice).status == 200)
    assert mesh.call("orders", "GET", "/products", mesh.of("profiles")).status == 403  # authenticated again


def test_a_certificate_that_names_two_is_nobodys(mesh: Any, until: Any) -> None:
    """SPIFFE X.509-SVID section 2: exactly one URI."""
    now = time()
    signer = Intermediate.read(fresh_intermediate(mesh.shop.state / "mesh", now, rotate=False), 1)
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    like = make_workload(asked, identity_of("gateway"), signer.certificate, signer.key, now, timedelta(minutes=5))
    uris = [x509.UniformResourceIdentifier(identity_of(name)) for name in ("gateway", "orders")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(like.subject)
        .issuer_name(like.issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(like.not_valid_before_utc)
        .not_valid_after(like.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName(uris), critical=False)
    )
    chain = builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM)
    workload = Workload(identity_of("gateway"))
    workload.install(
        chain + signer.certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        signer.root.encode(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    workload.equip(context)
    refused(mesh, "orders", context, "no_identity", until)


@pytest.mark.parametrize("service", SERVICES)
def test_plain_http_to_a_sidecar(mesh: Any, until: Any, service: str) -> None:
    before = mesh.turned_away(service, "plain_http")
    with socket.create_connection(mesh.inbound(service), timeout=10) as plain:
        plain.sendall(b"GET /products HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        try:
            told = b"".join(iter(lambda: plain.recv(65_536), b""))
        except ConnectionResetError:
            told = b""
    assert b"HTTP/" not in told
    until(lambda: mesh.turned_away(service, "plain_http") == before + 1)
