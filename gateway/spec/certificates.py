"""Certificate files: what they say, and why they cannot be used.

The problem: a certificate that has expired, belongs to another key or lies open to every user of the machine is
found out by clients, one handshake at a time. The rule: look before using, at load and at every renewal; whoever
reads a pair here either gets what is worth knowing or a sentence about one of the two files.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # importing cryptography takes 40 ms, which a gateway without TLS does not spend
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate that its key fits."""

    names: tuple[str, ...]
    """Host names (`shop.example`, `*.shop.example`) and IP addresses of the certificate, in lower case."""
    expires: float
    """Seconds since the epoch."""


class Unusable(Exception):
    """Why a file cannot be used; `part` says which of the two."""

    def __init__(self, part: Literal["cert", "key", "ca"], message: str) -> None:
        super().__init__(message)
        self.part = part


def read_pair(cert: Path, key: Path, now: float) -> Pair:
    """What a certificate and its key say, if they can serve together at `now`.

    Raises:
        Unusable: a file is missing or no PEM, the certificate is not valid now, the key does not fit or is not private.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    leaf = _certificates(cert, "cert")[0]
    _check_time(leaf, cert, "cert", now)
    private = _private_key(key)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise Unusable("key", f"{key.name} is not the key of the certificate {cert.name}")
    return Pair(_names(leaf), leaf.not_valid_after_utc.timestamp())


def check_authorities(ca: Path, now: float) -> None:
    """Make sure that at least one authority of the file is valid at `now`.

    Raises:
        Unusable: there is none, or no such file.
    """
    found = _certificates(ca, "ca")
    if all(one.not_valid_after_utc.timestamp() <= now for one in found):
        raise Unusable("ca", f"every certificate in {ca.name} has expired")


def _read(path: Path, part: Literal["cert", "key", "ca"]) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Unusable(part, f"there is no file {path.name} there (paths are relative to this file's folder)") from None
    except OSError as error:
        raise Unusable(part, f"{path.name} cannot be read: {error.strerror}") from None


def _certificates(path: Path, part: Literal["cert", "ca"]) -> list[Certificate]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(_read(path, part))
    except ValueError:
        raise Unusable(part, f"{path.name} holds no certificate in PEM form") from None


def _check_time(leaf: Certificate, path: Path, part: Literal["cert", "ca"], now: float) -> None:
    if leaf.not_valid_after_utc.timestamp() <= now:
        raise Unusable(part, f"{path.name} expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if leaf.not_valid_before_utc.timestamp() > now:
        raise Unusable(part, f"{path.name} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")


def _private_key(path: Path) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _read(path, "key")
    if path.stat().st_mode & stat.S_IROTH:
        raise Unusable("key", f"every user of this machine can read {path.name}: chmod o-r, and consider it stolen")
    try:
        private = load_pem_private_key(text, None)
    except TypeError:
        raise Unusable("key", f"{path.name} is encrypted; nobody is there to type its password") from None
    except ValueError:
        raise Unusable("key", f"{path.name} holds no private key in PEM form") from None
    if isinstance(private, RSAPrivateKey) and private.key_size < MIN_RSA_BITS:
        raise Unusable("key", f"{path.name} has {private.key_size} bits; RSA needs {MIN_RSA_BITS}")
    return private


def _names(leaf: Certificate) -> tuple[str, ...]:
    """From the subject alternative names only: the common name is no longer looked at (RFC 9525 section 2)."""
    from cryptography.x509 import DNSName, ExtensionNotFound, IPAddress, SubjectAlternativeName

    try:
        names = leaf.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return ()
    hosts = [name.lower() for name in names.get_values_for_type(DNSName)]
    return (*hosts, *map(str, names.get_values_for_type(IPAddress)))
