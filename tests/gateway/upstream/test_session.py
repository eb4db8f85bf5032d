"""The key of sticky sessions, and what their cookies say."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path
from random import Random

import pytest

from gateway.http.messages import Request
from gateway.spec.endpoints import SessionPersistence
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Cluster
from gateway.upstream.session import Session, session_key


def key_of(folder: str) -> bytes:
    return session_key(Path(folder))()


def test_all_workers_have_one_key_and_it_stays(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.map(key_of, [str(tmp_path)] * 8, chunksize=1)
    assert len({*keys, key_of(str(tmp_path))}) == 1
    assert len(keys[0]) == 32
    assert [one.name for one in tmp_path.iterdir()] == ["session.key"]
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600


def test_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_bytes(b"")
    with pytest.raises(ValueError, match=r"session\.key has 0 bytes instead of 32"):
        key_of(str(tmp_path))


def test_without_a_folder_it_lives_as_long_as_the_process() -> None:
    one = session_key(None)
    assert one() == one()
    assert session_key(None)() != one()


def request(cookie: str = "", scheme: str = "http") -> Request:
    headers = [(b"cookie", cookie.encode())] if cookie else []
    one = Request("GET", "/", "", headers, dict(headers), "a")
    one.scheme = scheme
    return one


def session(key: bytes = b"k" * 32) -> tuple[Session, Cluster]:
    spec = ClusterSpec(name="shop", endpoints=("127.0.0.1:1", "127.0.0.1:2"))
    cluster = Cluster(spec, spec.listed, lambda: 0.0, Random(1))
    return Session(SessionPersistence(), "all", (cluster,), key), cluster


def cookie_for(one: Session, cluster: Cluster, place: int) -> str:
    asked = request()
    one.answered(asked, cluster, cluster.endpoints[place])
    ((name, line),) = asked.reply_headers
    assert name == b"set-cookie"
    return line.decode().partition(";")[0]


def test_the_cookie_names_an_endpoint_and_only_the_key_tells_which() -> None:
    one, cluster = session()
    for place, endpoint in enumerate(cluster.endpoints):
        cookie = cookie_for(one, cluster, place)
        assert one.place(request(cookie)) == (cluster, endpoint)
        other, its_cluster = session(b"l" * 32)
        assert other.place(request(cookie)) is None
        assert cookie_for(other, its_cluster, place) != cookie
        again = request(cookie)
        one.answered(again, cluster, endpoint)
        assert again.reply_headers == []


def test_one_that_is_gone_or_not_usable_is_no_place() -> None:
    one, cluster = session()
    cookie = cookie_for(one, cluster, 0)
    first = cluster.endpoints[0]
    first.usable = False
    assert one.place(request(cookie)) is None
    first.usable = True
    cluster.replace_endpoints(["127.0.0.1:2"])
    assert one.place(request(cookie)) is None
    cluster.replace_endpoints(["127.0.0.1:2", "127.0.0.1:1"])
    assert one.place(request(cookie)) == (cluster, cluster.endpoints[1])


def test_on_https_it_stays_there() -> None:
    one, cluster = session()
    asked = request(scheme="https")
    one.answered(asked, cluster, cluster.endpoints[0])
    assert asked.reply_headers[0][1].endswith(b"; Path=/; HttpOnly; SameSite=Lax; Secure")
