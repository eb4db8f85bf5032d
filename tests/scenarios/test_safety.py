"""The lab's rules of safety, one by one (docs/lab.md, Safety)."""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from gateway.cli.console import Failure, Misuse
from gateway.cli.instance import Instance
from scenarios.cli import lab
from scenarios.lab.client import Client
from scenarios.lab.crowd import Failing
from scenarios.lab.decoys import http_server
from scenarios.lab.forgery import Forger
from scenarios.lab.live import at_work
from scenarios.lab.local import is_local
from scenarios.lab.tap import Tap
from scenarios.lab.target import Target

CODE = sorted((Path(__file__).parents[2] / "scenarios").rglob("*.py"))


def instance(tmp_path: Path, url: str) -> Instance:
    return Instance(tmp_path, os.getpid(), "", "http://127.0.0.1:1", "", url)


@pytest.mark.parametrize("url", ["http://192.0.2.1:80", "http://localhost.example", "http://[2001:db8::1]:80"])
def test_an_instance_that_is_not_on_loopback_is_not_attacked(tmp_path: Path, url: str) -> None:
    with pytest.raises(Misuse, match="loopback only"):
        Target(instance(tmp_path, url))
    with pytest.raises(Misuse, match="loopback only"):
        Client("http://127.0.0.1:1").send("nobody", "GET", "/", base_url=url)


@pytest.mark.parametrize("word", ["break", "attack", "fix", "check"])
def test_a_target_that_is_not_up_is_refused_with_the_reason(tmp_path: Path, word: str) -> None:
    done = CliRunner().invoke(lab, [word, "api1-bola", "--state-dir", str(tmp_path)], standalone_mode=False)
    assert isinstance(done.exception, Failure)
    assert "Nothing runs in" in str(done.exception)
    assert not list(tmp_path.iterdir()), "nothing is left in a directory that is not ours"


def test_a_state_directory_that_others_can_write_to_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "instance.json"
    file.write_text("{}")
    file.chmod(0o644)
    with pytest.raises(Failure, match="not believed"), at_work(tmp_path):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["instance.json"]


@pytest.mark.parametrize("name", ["api1-bolla", "smugling", "token", "nothing-like-it"])
def test_an_unknown_scenario_is_refused_before_anything_is_done(tmp_path: Path, name: str) -> None:
    done = CliRunner().invoke(lab, ["attack", name, "--state-dir", str(tmp_path)], standalone_mode=False)
    assert isinstance(done.exception, Misuse)
    assert "There is no scenario" in str(done.exception)


def test_no_redirect_is_followed() -> None:
    with (
        http_server({"/inside": "secret"}, ("127.0.0.1", 0)) as inside,
        http_server({}, ("127.0.0.1", 0), redirect_to=inside.url("/inside")) as luring,
    ):
        answer = Client(luring.url("")).send("nobody", "GET", "/go")
        assert (answer.status, inside.visits) == (302, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "shop.example"])
def test_nothing_listens_but_on_loopback(host: str) -> None:
    with pytest.raises(Misuse, match="listens on this machine's loopback only"), http_server({}, (host, 0)):
        pass


def test_all_listeners_are_on_loopback() -> None:
    tap, failing = Tap("127.0.0.1:1"), Failing(503, 0.0)
    try:
        with Forger().key_server() as keys:
            assert all(map(is_local, (tap.address, failing.address, urlsplit(keys).netloc)))
    finally:
        tap.close()
        failing.close()
    for file in CODE:
        assert not re.search(r'"0\.0\.0\.0"|"::"', file.read_text()), file


STRANGERS = ({"Host": "evil.example"}, {"Host": "127.0.0.1", "Origin": "http://evil.example"}, {"Host": "192.0.2.1"})


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
def test_host_and_origin_are_checked_on_every_listener(headers: dict[str, str]) -> None:
    def status(url: str, path: str) -> tuple[int, int]:
        return tuple(_status(url, path, sent) for sent in (headers, {}))  # type: ignore[return-value]

    failing = Failing(418, 0.0)
    try:
        with http_server({"/": "page"}, ("127.0.0.1", 0)) as decoy, Forger().key_server() as keys:
            assert status(decoy.url(""), "/") == (403, 200)
            assert status(keys, "/jwks.json") == (403, 200)
            assert status(f"http://{failing.address}", "/") == (403, 418)
    finally:
        failing.close()


def _status(url: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def forbidden(pattern: str) -> Callable[[Path], bool]:
    return lambda file: bool(re.search(pattern, file.read_text()))


def test_traffic_is_recorded_by_a_proxy_and_never_from_the_interface() -> None:
    assert not list(filter(forbidden(r"AF_PACKET|SOCK_RAW|tcpdump|pcap"), CODE))


def test_passwords_are_those_of_this_installation(tmp_path: Path) -> None:
    file = tmp_path / "installation.json"
    found = []
    for secret in ("one", "another"):
        file.write_text(f'{{"users": {{"admin": "{secret}"}}}}')
        file.chmod(0o600)
        found.append(Target(instance(tmp_path, "http://127.0.0.1:1"))._password_of("ronda"))
    assert found[0] != found[1]
    assert len(found[0]) == 64
