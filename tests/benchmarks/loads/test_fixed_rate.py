"""The open-loop load: arrivals, percentiles, and latencies that begin when a request was due."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

from benchmarks.loads.fixed_rate import CONNECTIONS, Generator, arrivals, complete, percentile

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_arrivals_have_the_rate_and_are_the_same_each_time() -> None:
    due = arrivals(5_000, 2.0)
    assert len(due) == pytest.approx(10_000, rel=0.05)
    assert due == sorted(due) == arrivals(5_000, 2.0)
    assert due[-1] < 2.0


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.99, 99.0), (0.999, 100.0), (1.0, 100.0), (0.0, 1.0)])
def test_percentiles_by_nearest_rank(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == value


@pytest.mark.parametrize("end", range(len(ANSWER)))
def test_an_answer_is_complete_only_with_its_last_byte(end: int) -> None:
    assert not complete(ANSWER[:end])
    assert complete(ANSWER)


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        complete(b"HTTP/1.1 200 OK\r\n\r\n")


class Upstream(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    answer = ANSWER
    held: threading.Event


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Upstream)
        while data := self.request.recv(65_536):
            self.server.held.wait()
            self.request.sendall(self.server.answer * data.count(b"\r\n\r\n"))


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(("127.0.0.1", 0), Handler) as server:
        server.held = threading.Event()
        server.held.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.held.set()
        server.shutdown()
        thread.join()


def _generator(upstream: Upstream) -> Generator:
    return Generator(upstream.server_address[1], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def test_every_request_is_answered_once(upstream: Upstream) -> None:
    with _generator(upstream) as generator:
        generator.run(arrivals(1_000, 0.2))
    assert (len(generator.latencies), generator.failed) == (len(arrivals(1_000, 0.2)), 0)


def test_waiting_for_a_free_connection_counts(upstream: Upstream) -> None:
    """Twice as many requests as connections, all due at once, and no answer for a while: coordinated omission."""
    upstream.held.clear()
    release = threading.Timer(0.1, upstream.held.set)
    release.start()
    with _generator(upstream) as generator:
        generator.run([0.0] * (2 * CONNECTIONS))
    release.join()
    assert len(generator.latencies) == 2 * CONNECTIONS
    assert min(generator.latencies) > 0.05


def test_a_request_that_goes_out_late_is_late_by_that_much(upstream: Upstream) -> None:
    with _generator(upstream) as generator:
        generator.run([-0.2, -0.1])
    first, second = sorted(generator.latencies)
    assert first >= 0.1
    assert second >= 0.2


def test_other_answers_are_failures(upstream: Upstream) -> None:
    upstream.answer = ANSWER.replace(b"200 OK", b"503 No")
    with _generator(upstream) as generator:
        generator.run([0.0] * 10)
    assert (len(generator.latencies), generator.failed) == (0, 10)
