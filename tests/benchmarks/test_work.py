"""Keys, tokens and configurations: what every proxy is given."""

from __future__ import annotations

import json
import shutil
import ssl
from pathlib import Path

import jwt
import pytest
import redis

from benchmarks.gatehouse import configuration
from benchmarks.model import Setup
from benchmarks.processes import stop
from benchmarks.work import FILES, Work, prepare, spoil, start_redis
from benchmarks.workloads import WORKLOADS
from gateway.compile.load import load_text
from gateway.spec.filters import RateLimit


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return prepare(tmp_path_factory.mktemp("work"), unseen=3)


def _verify(work: Work, token: str) -> dict[str, object]:
    key = work.public_key.read_bytes()
    claims: dict[str, object] = jwt.decode(token, key, ["RS256"], audience="gw", issuer="https://id.local")
    return claims


def test_unseen_tokens_are_valid_and_all_different(work: Work) -> None:
    tokens = (work.directory / "unseen.txt").read_text().split()
    assert len({work.token, *tokens}) == 4
    assert {_verify(work, token)["jti"] for token in tokens} == {"1", "2", "3"}


def test_bad_tokens_fail_by_their_signature_alone(work: Work) -> None:
    good = (work.directory / "unseen.txt").read_text().split()
    bad = (work.directory / "bad.txt").read_text().split()
    for before, after in zip(good, bad, strict=True):
        assert before.rpartition(".")[0] == after.rpartition(".")[0]
        with pytest.raises(jwt.InvalidSignatureError):
            _verify(work, after)


@pytest.mark.parametrize("token", ["a.b.Axyz", "a.b.Zxyz"])
def test_spoiling_always_changes_the_signature(token: str) -> None:
    assert spoil(token) != token
    assert len(spoil(token)) == len(token)


def test_files_and_certificate_are_usable(work: Work) -> None:
    assert {name: (work.directory / "files" / name).stat().st_size for name in FILES} == FILES
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(work.certificate)


SETUPS = dict.fromkeys(entry.setup for workload in WORKLOADS for entry in workload.entries)


@pytest.mark.parametrize("setup", SETUPS, ids=str)
def test_every_setup_is_a_valid_configuration(work: Work, setup: Setup) -> None:
    spec = load_text(configuration(work, setup, 8088), "bench.yaml", {})
    assert len(spec.routes) == setup.routes + 1
    assert spec.access_log.enabled is setup.access_log
    assert spec.tracing.sampled == setup.sampled
    assert (spec.listeners[0].tls is not None) is setup.tls


def test_templates_leave_no_blank(work: Work) -> None:
    template = next(path for path in (Path(__file__).parents[2] / "benchmarks" / "peers").glob("nginx.conf"))
    filled = work.fill(template.name, "out.conf", PORT="1", UPSTREAM_PORT="2", SSL="", CERTIFICATE="")
    assert "{{" not in filled.read_text()
    assert json.loads(work.jwks)["keys"][0]["kid"] == "k"


def test_the_limit_in_redis_is_that_of_the_measured_route_alone(work: Work) -> None:
    spec = load_text(configuration(work, Setup(policy=True, routes=2, redis=True), 8088), "bench.yaml", {})
    stores = [one.store for route in spec.routes for one in route.filters if isinstance(one, RateLimit)]
    assert stores == [None, None, "shared"]
    assert spec.stores[0].address == f"127.0.0.1:{work.redis_port}"


@pytest.mark.skipif(shutil.which("taskset") is None, reason="servers of a measurement are pinned with taskset")
def test_the_redis_of_a_measurement_answers(work: Work) -> None:
    process = start_redis(work, core=0)
    try:
        with redis.Redis(port=work.redis_port) as client:
            assert client.ping()
    finally:
        stop(process)
