"""One HTTP request, sent as it was asked for.

The problem: convenient clients follow redirects, read proxy settings from the environment and tidy up
paths; a teaching tool must send `/orders/%2e%2e/` as typed and talk to exactly the address it was given.
The rule: the standard library's `http.client`, one connection, a time-out, and a bounded answer.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.console import Failure, Misuse

MAX_ANSWER = 16 * 1_048_576
"""Bytes of an answer that are read; more is a failure, not a full memory."""


@dataclass(frozen=True)
class Answer:
    """What came back: status line, headers in their order, and the whole body."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the request was carried out (2xx or 3xx)."""
        return self.status < 400

    def header(self, name: str) -> str:
        """The first value of that header, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def json(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def send(
    base_url: str,
    method: str,
    target: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    timeout: float = 20.0,
    within: float | None = None,
    most: int | None = None,
    source: str = "",
) -> Answer:
    """Send one request to the host and port of `base_url` (plain HTTP) and read its answer.

    Args:
        timeout: seconds to wait for each step.
        within: seconds for everything, where the peer may be one that sends a byte now and then.
        most: bytes of a body, MAX_ANSWER when nothing is said.
        source: the address of this machine to come from; any when nothing is said.

    Raises:
        Failure: nothing listens there, it does not answer in time, or it answers too much.
        Misuse: method, target or a header cannot be written on the wire.
    """
    where = urlsplit(base_url)
    connection = http.client.HTTPConnection(
        where.hostname or "", where.port or 80, timeout=timeout, source_address=(source, 0) if source else None
    )
    try:
        _write(connection, method, target, list(headers), body)
        with _cut_off_after(connection.sock, within):
            return _read(connection.getresponse(), most or MAX_ANSWER)
    except (ValueError, http.client.InvalidURL) as error:
        raise Misuse(f"This request cannot be sent: {error}") from None
    except ConnectionRefusedError:
        raise Failure(f"Nothing listens on {where.netloc}.", "Is it up? gatehouse ps") from None
    except TimeoutError:
        raise Failure(f"{where.netloc} did not answer within {timeout:g} seconds.") from None
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"{where.netloc} broke the connection: {error!r}") from None
    finally:
        connection.close()


def _write(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", method):  # a token (RFC 9110, section 5.6.2)
        raise ValueError(f"{method!r} is no method")
    names = {name.lower() for name, _ in headers}
    connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if (body or method in ("POST", "PUT", "PATCH")) and not names & {"content-length", "transfer-encoding"}:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)


@contextmanager
def _cut_off_after(connected: socket.socket | None, seconds: float | None) -> Iterator[None]:
    """Shut the connection down when the time is over: whoever reads then finds its end."""
    if connected is None or seconds is None:
        yield
        return
    timer = threading.Timer(seconds, _shut_down, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(connected: socket.socket) -> None:
    with suppress(OSError):  # it has just ended by itself
        connected.shutdown(socket.SHUT_RDWR)


def _read(response: http.client.HTTPResponse, most: int) -> Answer:
    body = response.read(most + 1)
    if len(body) > most:
        raise Failure(f"The answer is larger than {most // 1_048_576} MiB; it was not read to its end.")
    return Answer(response.status, response.reason, tuple(response.getheaders()), body)
