"""X.509 as the mesh uses it: a root, intermediates below it, and workloads' certificates of minutes.

    root (years; its key signs intermediates only)
     └─ intermediate (a month; its key is in the authority's memory only; may speak for our trust domain alone)
         └─ workload (minutes; its key never leaves the workload)

The shapes are those of the SPIFFE X.509-SVID specification, sections 3 to 5: a workload's certificate holds exactly
one URI, is no authority, and signs nothing but handshakes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.mesh.identity import TRUST_DOMAIN, service_of

ROOT_LIFE: Final = timedelta(days=3_650)
INTERMEDIATE_LIFE: Final = timedelta(days=30)
SKEW: Final = timedelta(seconds=10)
"""Clocks differ: certificates begin a little earlier."""


class BadRequest(Exception):
    """A certificate request that cannot be granted; `str()` says why."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """P-256: what every TLS library verifies fast."""
    return ec.generate_private_key(ec.SECP256R1())


def make_root(key: ec.EllipticCurvePrivateKey, number: int, now: float) -> x509.Certificate:
    """The `number`-th root of this installation, signed by itself."""
    name = _name(f"{TRUST_DOMAIN} root {number}")
    builder = _begin(name, key.public_key(), now, ROOT_LIFE).issuer_name(name)
    return _authority(builder, key.public_key(), 1).sign(key, hashes.SHA256())


def make_intermediate(
    key: ec.EllipticCurvePrivateKey, root: x509.Certificate, root_key: ec.EllipticCurvePrivateKey, now: float
) -> x509.Certificate:
    """An authority below `root`, for the holder of `key`."""
    builder = _begin(_name(f"{TRUST_DOMAIN} intermediate"), key.public_key(), now, INTERMEDIATE_LIFE)
    only_ours = x509.NameConstraints([x509.UniformResourceIdentifier(TRUST_DOMAIN)], None)
    builder = _authority(builder.issuer_name(root.subject), key.public_key(), 0).add_extension(only_ours, critical=True)
    return _by(builder, root).sign(root_key, hashes.SHA256())


def make_workload(
    request: x509.CertificateSigningRequest,
    identity: str,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: float,
    life: timedelta,
) -> x509.Certificate:
    """The certificate of `identity`, whatever names the request asks for; it ends no later than its issuer.

    Raises:
        BadRequest: the request is not signed by its own key, or that key is not P-256.
    """
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise BadRequest("the key must be one of P-256")
    if not request.is_signature_valid:
        raise BadRequest("the request is not signed by the key that it names")
    life = min(life, issuer.not_valid_after_utc - datetime.fromtimestamp(now, UTC))
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    builder = (
        _begin(_name(service_of(identity) or "workload"), key, now, life)
        .issuer_name(issuer.subject)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(usage, critical=False)
    )
    return _by(builder, issuer).sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _begin(subject: x509.Name, key: ec.EllipticCurvePublicKey, now: float, life: timedelta) -> x509.CertificateBuilder:
    moment = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - SKEW)
        .not_valid_after(moment + life)
    )


def _authority(builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, below: int) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _by(builder: x509.CertificateBuilder, issuer: x509.Certificate) -> x509.CertificateBuilder:
    known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
