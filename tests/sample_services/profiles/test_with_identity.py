"""A recovery with the real identity beside it: the reset is started there, also when identity was away."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import requests

SECRETS = {
    "users": {name: f"the long password of {name}" for name in ("alice", "bob", "carol", "admin")},
    "clients": {"partner": "p" * 32, "profiles": "q" * 32, "storefront": "s" * 32},
}


def _token(identity: Any, username: str) -> str:
    body = {"username": username, "password": SECRETS["users"][username]}
    answer = requests.post(f"{identity.url}/login", json=body, timeout=5)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def _call(service: Any, method: str, path: str, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, service.url + path, headers=headers, timeout=5)


def _mail(identity: Any) -> list[Path]:
    return list((identity.data_dir / "mail").glob("*.txt"))


def test_a_recovery_starts_one_reset_though_identity_was_away(start_service: Any) -> None:
    identity = start_service("identity", "sample_services.identity", secrets=SECRETS)
    secrets = {"client_secret": SECRETS["clients"]["profiles"]}
    peers = {"identity": identity.url}
    profiles = start_service("profiles", "sample_services.profiles", secrets=secrets, peers=peers)
    alice, carol = _token(identity, "alice"), _token(identity, "carol")
    assert _call(profiles, "GET", "/profiles/alice", alice).json()["username"] == "alice"

    identity.kill()
    assert _call(profiles, "DELETE", "/profiles/alice", alice).status_code == 204
    assert _call(profiles, "POST", "/profiles/alice/recover", carol).status_code == 200
    assert _call(profiles, "GET", "/profiles/alice", alice).status_code == 200
    assert _mail(identity) == []

    place = {"data_dir": identity.data_dir, "port": identity.port}
    identity = start_service("identity", "sample_services.identity", secrets=SECRETS, **place)
    deadline = time.monotonic() + 20
    while not profiles.log_lines("credential reset delivered"):
        assert time.monotonic() < deadline, profiles.log_text()
        time.sleep(0.05)
    [mail] = _mail(identity)
    assert "To: alice" in mail.read_text()
