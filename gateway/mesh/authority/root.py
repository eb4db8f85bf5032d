"""The root, kept apart: `python -m gateway.mesh.authority.root DIRECTORY [--rotate]`.

The problem: a key that is needed once at each start should not lie in the memory of a process that is asked all day.
The rule: this short-lived program is the only one that opens the root's key. It signs a fresh intermediate, says it
on standard output, for the supervisor to hand to the authority, and ends. The intermediate's key is never on disk.

With `--rotate` it makes another root first. Both are believed until the authority says that nobody depends on the
former any more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.mesh.authority.certificates import make_intermediate, make_root, new_key

KEY: Final = "root.key"
ROOT: Final = "root.pem"
FORMER: Final = "former-root.pem"


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key, unencrypted: for memory, or for a file that only we can open."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def open_root(folder: Path, now: float, *, rotate: bool) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """The root of this installation: what is there, or a new one.

    Raises:
        OSError: the folder cannot be written.
        ValueError: what lies there is no key or certificate.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if (folder / ROOT).exists() and not rotate:
        key = load_pem_private_key((folder / KEY).read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key, x509.load_pem_x509_certificate((folder / ROOT).read_bytes())
    number = 1
    if (folder / ROOT).exists():
        former = (folder / ROOT).read_bytes()
        _write(folder / FORMER, former)
        number = int(x509.load_pem_x509_certificate(former).subject.rfc4514_string().rpartition(" ")[2]) + 1
    key = new_key()
    root = make_root(key, number, now)
    _write(folder / KEY, pem(key))
    _write(folder / ROOT, root.public_bytes(Encoding.PEM))
    return key, root


def fresh_intermediate(folder: Path, now: float, *, rotate: bool) -> dict[str, str]:
    """A new intermediate: its key, its chain, and the roots to believe; all PEM."""
    root_key, root = open_root(folder, now, rotate=rotate)
    key = new_key()
    chain = make_intermediate(key, root, root_key, now).public_bytes(Encoding.PEM)
    former = (folder / FORMER).read_bytes() if rotate else b""
    bundle = root.public_bytes(Encoding.PEM)
    return {"key": pem(key).decode(), "chain": chain.decode(), "bundle": bundle.decode(), "former": former.decode()}


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all, and for nobody else from the first instant."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as opened:
        opened.write(content)
    new.replace(file)


def main() -> None:
    """Say a fresh intermediate on standard output."""
    parser = argparse.ArgumentParser(prog="gateway.mesh.authority.root")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rotate", action="store_true")
    options = parser.parse_args()
    os.umask(0o077)
    json.dump(fresh_intermediate(options.directory, time.time(), rotate=options.rotate), sys.stdout)


if __name__ == "__main__":
    main()
