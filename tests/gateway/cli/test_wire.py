from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest

from gateway.cli import wire
from gateway.cli.console import Failure, Misuse
from gateway.cli.wire import send


def test_the_target_is_sent_as_typed(installation: Any) -> None:
    send(installation.url, "GET", "/a//%2e%2e/../b;c?d=%2F")
    assert installation.received[0].target == "/a//%2e%2e/../b;c?d=%2F"


def test_a_host_header_replaces_ours(installation: Any) -> None:
    send(installation.url, "GET", "/", headers=[("Host", "other.example")])
    assert installation.received[0].headers["host"] == "other.example"


def test_a_redirect_is_an_answer(installation: Any) -> None:
    installation.reply("GET", "/", b"", status=302, Location="http://127.0.0.1:1/")
    answer = send(installation.url, "GET", "/")
    assert (answer.status, answer.header("location")) == (302, "http://127.0.0.1:1/")
    assert len(installation.received) == 1


def test_a_post_without_a_body_says_so(installation: Any) -> None:
    send(installation.url, "POST", "/")
    assert installation.received[0].headers["content-length"] == "0"


@pytest.mark.parametrize(("method", "target"), [("GET", "/a b"), ("GET", "/\r\nX: y"), ("GE T", "/"), ("GET", "/ü")])
def test_what_cannot_be_written_on_the_wire_is_misuse(installation: Any, method: str, target: str) -> None:
    with pytest.raises(Misuse):
        send(installation.url, method, target)
    assert installation.received == []


def test_a_header_cannot_smuggle_another(installation: Any) -> None:
    with pytest.raises(Misuse):
        send(installation.url, "GET", "/", headers=[("X-A", "1\r\nX-B: 2")])


def test_nobody_listening_is_a_failure_in_words() -> None:
    with socket.socket() as bound:  # bound, but not listening: nobody else can take the port meanwhile
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Failure, match="Nothing listens on 127"):
            send(f"http://127.0.0.1:{bound.getsockname()[1]}", "GET", "/")


def test_silence_is_a_failure_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Failure, match="did not answer within"):
        send(f"http://127.0.0.1:{silent.getsockname()[1]}", "GET", "/", timeout=0.05)


def test_an_endless_answer_is_not_read_to_its_end(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER", 1_048_576)
    installation.reply("GET", "/big", b"x" * 1_048_577)
    with pytest.raises(Failure, match="larger than 1 MiB"):
        send(installation.url, "GET", "/big")


def test_a_byte_now_and_then_does_not_hold_us_for_ever() -> None:
    def dribble(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            while not given_up.wait(0.01):
                connection.sendall(b"X")

    given_up = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=dribble, args=[server])
        thread.start()
        with pytest.raises(Failure, match="broke the connection"):
            send(f"http://127.0.0.1:{server.getsockname()[1]}", "GET", "/", within=0.1)
        given_up.set()
        thread.join()


def test_less_may_be_read_than_usual(installation: Any) -> None:
    installation.reply("GET", "/big", b"x" * 2_097_153)
    with pytest.raises(Failure, match="larger than 2 MiB"):
        send(installation.url, "GET", "/big", most=2_097_152)
