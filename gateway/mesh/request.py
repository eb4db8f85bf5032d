"""A key, and the request for its certificate."""

from __future__ import annotations

from typing import NamedTuple


class KeyAndRequest(NamedTuple):
    """Both PEM; the key stays with whoever made it."""

    key: bytes
    request: str


def new_request() -> KeyAndRequest:
    """A fresh P-256 key. The request names nobody: the authority knows who asks (RFC 2986)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyAndRequest(private, request.public_bytes(Encoding.PEM).decode())
