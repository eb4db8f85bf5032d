"""Who gets a certificate, and what is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.mesh import bootstrap
from gateway.mesh.authority.issuer import Denied, Intermediate, Issuer
from gateway.mesh.authority.root import fresh_intermediate
from gateway.mesh.identity import identity_of, service_of
from gateway.mesh.request import new_request

KEY = b"k" * 32
ORDERS = identity_of("orders")
START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(tmp_path: Path, clock: Clock) -> Issuer:
    document = fresh_intermediate(tmp_path / "root", clock(), rotate=False)
    return Issuer(Intermediate.read(document, 1), KEY, 600.0, clock, tmp_path / "register.json")


def enrol(issuer: Issuer, clock: Clock, identity: str = ORDERS, holder: str = "") -> x509.Certificate:
    chain = issuer.enrol(bootstrap.mint(KEY, identity, holder or identity, clock()), new_request().request)
    return x509.load_pem_x509_certificates(chain)[0]


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*found.get_values_for_type(x509.UniformResourceIdentifier), *found.get_values_for_type(x509.DNSName)]


def refused(reason: str) -> pytest.RaisesExc[Denied]:
    return pytest.raises(Denied, match=f"^{reason}$")


def test_a_certificate_says_who_the_token_says_and_lives_for_minutes(issuer: Issuer, clock: Clock) -> None:
    chain = issuer.enrol(bootstrap.mint(KEY, ORDERS, "orders-1", clock()), new_request().request)
    leaf, intermediate = x509.load_pem_x509_certificates(chain)
    assert names(leaf) == [ORDERS]
    assert leaf.not_valid_after_utc.timestamp() == clock() + 600
    leaf.verify_directly_issued_by(intermediate)
    root = x509.load_pem_x509_certificate(issuer.bundle.encode())
    intermediate.verify_directly_issued_by(root)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("asked", "given"), [(20.0, 20), (0.0, 600), (-1.0, 600), (86_400.0, 600), (float("nan"), 600)]
)
def test_a_shorter_life_may_be_asked_for_and_no_longer_one(
    issuer: Issuer, clock: Clock, asked: float, given: int
) -> None:
    chain = issuer.enrol(bootstrap.mint(KEY, ORDERS, "orders-1", clock()), new_request().request, asked)
    leaf = x509.load_pem_x509_certificates(chain)[0]
    assert leaf.not_valid_after_utc.timestamp() == clock() + given


def test_names_in_the_request_are_not_looked_at(issuer: Issuer, clock: Clock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity_of("identity")), x509.DNSName("x")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(wanted, critical=False)
    request = asked.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    chain = issuer.enrol(bootstrap.mint(KEY, ORDERS, "orders-1", clock()), request)
    assert names(x509.load_pem_x509_certificates(chain)[0]) == [ORDERS]


def test_a_token_is_good_once_and_for_a_minute(issuer: Issuer, clock: Clock) -> None:
    token = bootstrap.mint(KEY, ORDERS, "orders-1", clock())
    issuer.enrol(token, new_request().request)
    with refused("token_used"):
        issuer.enrol(token, new_request().request)
    late = bootstrap.mint(KEY, ORDERS, "orders-1", clock())
    clock.now += 60
    with refused("token_expired"):
        issuer.enrol(late, new_request().request)


@pytest.mark.parametrize("change", ["key", "identity", "cut", "empty", "noise"])
def test_a_token_that_is_not_ours_gets_nothing(issuer: Issuer, clock: Clock, change: str) -> None:
    token = bootstrap.mint(b"x" * 32 if change == "key" else KEY, ORDERS, "orders-1", clock())
    other = bootstrap.mint(KEY, identity_of("identity"), "identity-1", clock())
    changed = {
        "key": token,
        "identity": other.partition(".")[0] + "." + token.partition(".")[2],
        "cut": token[:-4],
        "empty": "",
        "noise": "é.é",
    }
    with refused("token_invalid"):
        issuer.enrol(changed[change], new_request().request)


def test_only_keys_of_one_kind_get_a_certificate(issuer: Issuer, clock: Clock) -> None:
    for key in (rsa.generate_private_key(65_537, 2_048), ec.generate_private_key(ec.SECP384R1())):
        asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        with refused("bad_request"):
            issuer.enrol(bootstrap.mint(KEY, ORDERS, "orders-1", clock()), asked.public_bytes(Encoding.PEM).decode())
    with refused("bad_request"):
        issuer.enrol(bootstrap.mint(KEY, ORDERS, "orders-1", clock()), "no request")


def test_a_request_that_its_key_did_not_sign_gets_nothing(issuer: Issuer, clock: Clock) -> None:
    der = bytearray(x509.load_pem_x509_csr(new_request().request.encode()).public_bytes(Encoding.DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM).decode()
    with refused("bad_request"):
        issuer.enrol(bootstrap.mint(KEY, ORDERS, "orders-1", clock()), broken)


def test_revoked_means_no_renewal_no_enrolment_and_on_the_list_until_it_would_have_expired(
    issuer: Issuer, clock: Clock
) -> None:
    one, other = enrol(issuer, clock), enrol(issuer, clock, identity_of("profiles"))
    assert issuer.register.revoke(ORDERS) == 1
    assert issuer.register.revoked() == {one.serial_number}
    with refused("revoked"):
        issuer.renew(ORDERS, one.serial_number, new_request().request)
    with refused("barred"):
        enrol(issuer, clock)
    issuer.renew(identity_of("profiles"), other.serial_number, new_request().request)
    issuer.register.allow(ORDERS)
    enrol(issuer, clock)
    assert issuer.register.revoked() == {one.serial_number}
    clock.now += 600
    assert issuer.register.revoked() == frozenset()
    assert issuer.register.issued() == []


def test_an_authority_that_was_killed_has_forgotten_nobody(issuer: Issuer, clock: Clock, tmp_path: Path) -> None:
    token = bootstrap.mint(KEY, identity_of("alerts"), "alerts-1", clock())
    issuer.enrol(token, new_request().request)
    one = enrol(issuer, clock)
    issuer.register.revoke(ORDERS)
    again = Issuer(issuer.intermediate, KEY, 600.0, clock, tmp_path / "register.json")
    assert again.register.revoked() == {one.serial_number}
    with refused("barred"):
        enrol(again, clock)
    with refused("token_used"):
        again.enrol(token, new_request().request)
    assert ORDERS in json.loads((tmp_path / "register.json").read_text())["barred"]


def test_nor_what_it_had_issued(issuer: Issuer, clock: Clock, tmp_path: Path) -> None:
    one = enrol(issuer, clock, holder="orders-1")
    again = Issuer(issuer.intermediate, KEY, 600.0, clock, tmp_path / "register.json")
    assert again.register.revoke(ORDERS) == 1
    assert again.register.revoked() == {one.serial_number}
    other = Issuer(issuer.intermediate, KEY, 600.0, clock, tmp_path / "register.json")
    other.register.allow(ORDERS)
    other.adopt(Intermediate.read(fresh_intermediate(tmp_path / "root", clock(), rotate=True), 2))
    assert other.settle()  # who was revoked holds nothing up
    enrol(other, clock, holder="orders-1")
    late = Issuer(other.intermediate, KEY, 600.0, clock, tmp_path / "register.json")
    late.adopt(Intermediate.read(fresh_intermediate(tmp_path / "root", clock(), rotate=True), 2))
    assert not late.settle()  # numbers begin anew, and what was there before is older than any


def test_who_renews_again_and_again_takes_nothing_away_from_others(issuer: Issuer, clock: Clock) -> None:
    certificate = enrol(issuer, clock)
    with refused("too_many"):
        for _ in range(100):
            issuer.renew(ORDERS, certificate.serial_number, new_request().request)
    assert len(issuer.register.issued()) < 100
    enrol(issuer, clock, identity_of("profiles"))


def test_both_roots_are_believed_until_everybody_has_renewed(issuer: Issuer, clock: Clock, tmp_path: Path) -> None:
    first, second = enrol(issuer, clock), enrol(issuer, clock, identity_of("profiles"))
    former = issuer.bundle
    issuer.adopt(Intermediate.read(fresh_intermediate(tmp_path / "root", clock(), rotate=True), 2))
    assert issuer.bundle.startswith(issuer.intermediate.root)
    assert former in issuer.bundle
    assert not issuer.settle()
    issuer.renew(ORDERS, first.serial_number, new_request().request)
    assert not issuer.settle()
    issuer.renew(identity_of("profiles"), second.serial_number, new_request().request)
    assert issuer.settle()
    assert issuer.bundle == issuer.intermediate.root != former


def test_a_workload_that_was_killed_holds_the_former_root_up_for_no_longer_than_its_certificate(
    issuer: Issuer, clock: Clock, tmp_path: Path
) -> None:
    enrol(issuer, clock)
    issuer.adopt(Intermediate.read(fresh_intermediate(tmp_path / "root", clock(), rotate=True), 2))
    assert not issuer.settle()
    clock.now += 600
    assert issuer.settle()


def test_a_process_that_was_started_again_or_revoked_holds_nothing_up(
    issuer: Issuer, clock: Clock, tmp_path: Path
) -> None:
    for holder in ("orders-1", "orders-1", "orders-2"):
        enrol(issuer, clock, holder=holder)
    enrol(issuer, clock, identity_of("alerts"))
    issuer.register.revoke(identity_of("alerts"))
    issuer.adopt(Intermediate.read(fresh_intermediate(tmp_path / "root", clock(), rotate=True), 2))
    enrol(issuer, clock, holder="orders-1")
    assert not issuer.settle()
    enrol(issuer, clock, holder="orders-2")
    assert issuer.settle()


def test_the_root_stays_the_same_from_start_to_start_and_its_key_is_private(tmp_path: Path) -> None:
    first = fresh_intermediate(tmp_path / "root", START, rotate=False)
    again = fresh_intermediate(tmp_path / "root", START, rotate=False)
    assert first["bundle"] == again["bundle"]
    assert first["key"] != again["key"]
    assert (tmp_path / "root" / "root.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700
    assert first["key"] not in {file.read_text() for file in (tmp_path / "root").iterdir()}


def test_an_intermediate_can_speak_for_our_domain_only(tmp_path: Path) -> None:
    document = fresh_intermediate(tmp_path / "root", START, rotate=False)
    certificate = x509.load_pem_x509_certificate(document["chain"].encode())
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert limits.value.permitted_subtrees == [x509.UniformResourceIdentifier("gatehouse.local")]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_identities_are_read_as_they_are_written() -> None:
    assert service_of(identity_of("orders")) == "orders"
    for foreign in ("spiffe://elsewhere/ns/shop/sa/orders", identity_of(""), identity_of("a/b"), "orders"):
        assert service_of(foreign) is None
