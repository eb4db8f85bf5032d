"""Certificate files that can be used, and every reason why some cannot."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.compile.load import load_spec
from gateway.spec.certificates import Unusable, check_authorities, read_pair
from gateway.spec.errors import SpecErrors


def now() -> float:
    """When a test runs: certificates are issued then, not when the tests were collected."""
    return time.time()


def problem(files: Any, later: float = 0) -> tuple[str, str]:
    with pytest.raises(Unusable) as caught:
        read_pair(files.cert, files.key, now() + later)
    return caught.value.part, str(caught.value)


def test_what_a_good_pair_says(authority: Any) -> None:
    files = authority().issue("shop", ["Shop.example", "*.shop.example", "127.0.0.1", "::1"])
    pair = read_pair(files.cert, files.key, now())
    assert pair.names == ("shop.example", "*.shop.example", "127.0.0.1", "::1")
    assert pair.expires == pytest.approx(now() + 86_400, abs=60)


def test_a_chain_is_read_from_its_first_certificate(authority: Any) -> None:
    ca = authority()
    files = ca.issue("shop", ["shop.example"])
    files.cert.write_bytes(files.cert.read_bytes() + ca.file.read_bytes())
    assert read_pair(files.cert, files.key, now()).names == ("shop.example",)


def test_time(authority: Any) -> None:
    files = authority().issue("shop", ["a"], begins=timedelta(hours=1), ends=timedelta(hours=2))
    part, told = problem(files)
    assert (part, told[:27]) == ("cert", "shop.pem is not valid befor")
    assert problem(files, 7_300)[1].startswith("shop.pem expired on 20")
    assert read_pair(files.cert, files.key, now() + 5_400).names == ("a",)


def test_the_key_of_another_certificate(authority: Any) -> None:
    ca = authority()
    files, other = ca.issue("shop", ["a"]), ca.issue("other", ["a"])
    files.key.write_bytes(other.key.read_bytes())
    assert problem(files) == ("key", "shop.key is not the key of the certificate shop.pem")


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_key_that_everybody_can_read(authority: Any, mode: int, refused: bool) -> None:
    files = authority().issue("shop", ["a"])
    files.key.chmod(mode)
    if refused:
        assert problem(files)[1].startswith("every user of this machine can read shop.key")
    else:
        assert read_pair(files.cert, files.key, now())


def test_an_encrypted_key(authority: Any) -> None:
    files = authority().issue("shop", ["a"])
    key = load_pem_private_key(files.key.read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    files.key.write_bytes(locked)
    assert problem(files) == ("key", "shop.key is encrypted; nobody is there to type its password")


def test_a_short_rsa_key(authority: Any) -> None:
    files = authority().issue("shop", ["a"])
    key = rsa.generate_private_key(65_537, 1024)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert problem(files) == ("key", "shop.key has 1024 bits; RSA needs 2048")


def test_files_that_are_none(authority: Any, tmp_path: Path) -> None:
    files = authority().issue("shop", ["a"])
    files.key.write_text("no key")
    assert problem(files) == ("key", "shop.key holds no private key in PEM form")
    files.cert.write_text("no certificate")
    assert problem(files) == ("cert", "shop.pem holds no certificate in PEM form")
    files.cert.unlink()
    assert problem(files)[0] == "cert"
    files.cert.mkdir()
    assert problem(files) == ("cert", "shop.pem cannot be read: Is a directory")


def test_authorities(authority: Any) -> None:
    ca = authority()
    check_authorities(ca.file, now())
    with pytest.raises(Unusable, match=r"every certificate in ca\.pem has expired"):
        check_authorities(ca.file, now() + 10 * 86_400)


CONFIG = """
listeners:
  - name: public
    port: 0
    tls: {certificates: [{cert: certificates/shop.pem, key: certificates/shop.key}]}
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes: [{name: all, public: true, backendRefs: [{cluster: shop}]}]
"""


def test_paths_are_relative_to_the_file(authority: Any, tmp_path: Path) -> None:
    files = authority().issue("shop", ["a"])
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    tls = load_spec(path, {}).listeners[0].tls
    assert tls is not None
    assert Path(tls.certificates[0].cert) == files.cert
    path.write_text(CONFIG.replace("certificates/shop.pem", str(files.cert)))
    assert load_spec(path, {}).listeners[0].tls == tls


def test_errors_stand_at_their_line(authority: Any, tmp_path: Path) -> None:
    files = authority().issue("shop", [])  # no names at all
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, {})
    (error,) = caught.value.errors
    assert (error.line, error.path) == (5, "listeners[0].tls.certificates[0].cert")
    assert "no subject alternative names" in error.message
    files.key.chmod(0o644)
    with pytest.raises(SpecErrors) as caught:
        load_spec(path, {})
    assert caught.value.errors[0].path == "listeners[0].tls.certificates[0].key"
