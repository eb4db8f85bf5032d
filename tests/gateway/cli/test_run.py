"""`gatehouse run` with real processes: supervisor, control, worker, development issuer, and a service of one's own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import cli

pytestmark = pytest.mark.whole_system


class Echo(BaseHTTPRequestHandler):
    """Somebody's own service: says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The answers say enough."""


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def gatehouse(state_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--state-dir", str(state_dir)])


@pytest.fixture(scope="module")
def started(service: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A gateway with the development issuer in front of that service, and what was printed."""
    directory = tmp_path_factory.mktemp("run")
    pairs = [f"/api=http://127.0.0.1:{service}/", f"/keep=http://localhost:{service}"]
    options = ["--dev-issuer", "--detach", "--port-base", "0", "--save", str(directory / "mine.yaml")]
    words = [*options, "--state-dir", str(directory / "state")]
    program = [sys.executable, "-m", "gateway.cli.main"]  # a process of its own, as detached means: it ends
    done = subprocess.run([*program, "run", *pairs, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield directory / "state", done.stdout
    if (directory / "state" / "instance.json").exists():
        gatehouse(directory / "state", "down")


def test_it_says_where_it_is_and_what_is_for_development_only(started: tuple[Path, str]) -> None:
    state, printed = started
    instance = json.loads((state / "instance.json").read_text())
    assert f"Public: {instance['public_url']}" in printed
    assert f"{instance['admin_url']}/?key=" in printed
    assert "DEVELOPMENT ONLY" in printed
    assert instance["admin_secret"] not in printed


def test_without_a_token_it_is_refused_and_with_one_it_passes(started: tuple[Path, str]) -> None:
    state, _ = started
    refused = gatehouse(state, "call", "nobody", "GET", "/api/users")
    assert (refused.exit_code, "HTTP 401" in refused.output) == (1, True)
    passed = gatehouse(state, "call", "anna", "GET", "/api/users?a=1", "--dev", "--json")
    assert json.loads(passed.output)["body"] == {"path": "/users?a=1"}  # the slash took the prefix's place
    kept = gatehouse(state, "call", "anna", "GET", "/keep/users", "--dev", "--json")
    assert json.loads(kept.output)["body"] == {"path": "/keep/users"}


def test_every_printed_trial_works_as_printed(started: tuple[Path, str]) -> None:
    _, printed = started
    lines = printed.partition("Try:\n")[2].splitlines()
    trials = [line.partition(" gateway.cli.main ")[2] or line.strip() for line in lines if "--state-dir" in line]
    words = [line.split("gatehouse ")[-1].split() for line in trials if "run --config" not in line]
    assert [one[0] for one in words] == ["call", "explain", "routes"]
    codes = {one[0]: CliRunner().invoke(cli, one).exit_code for one in words}
    assert codes == {"call": 0, "explain": 1, "routes": 0}  # explained without a token: it would be refused


def test_it_can_be_asked_why(started: tuple[Path, str]) -> None:
    state, _ = started
    told = json.loads(gatehouse(state, "explain", "GET", "/api/x", "--claims", '{"sub": "eve"}', "--json").output)
    assert (told["outcome"], told["route"]["name"]) == ("forward", "api")
    assert [step["filter"] for step in told["steps"]][:2] == ["RateLimit", "JWT"]


def test_a_call_leads_to_its_trace(started: tuple[Path, str]) -> None:
    state, _ = started
    trace_id = json.loads(gatehouse(state, "call", "anna", "GET", "/api/t", "--dev", "--json").output)["trace_id"]
    drawn = gatehouse(state, "trace", trace_id[:12])
    assert drawn.exit_code == 0
    assert trace_id in drawn.output


def test_nothing_else_starts_in_the_same_place(started: tuple[Path, str], service: int) -> None:
    state, _ = started
    result = gatehouse(state, "run", f"/=http://localhost:{service}")
    assert (result.exit_code, "Something runs already" in result.output) == (2, True)


def test_down_leaves_nothing_behind(started: tuple[Path, str]) -> None:
    state, _ = started
    running = json.loads(gatehouse(state, "ps", "--json").output)
    assert {process["name"] for process in running} >= {"control", "gateway-1", "dev-issuer", "supervisor"}
    assert gatehouse(state, "down").exit_code == 0
    assert [process["name"] for process in running if psutil.pid_exists(process["pid"])] == []
    for port in (process["port"] for process in running if process["port"]):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not (state / "instance.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give either"),
        (["/=http://localhost:1", "--config", __file__], "give either"),
        (["--config", __file__, "--save", "x"], "there are none"),
        (["/=http://example.com"], "is a host name"),
    ],
)
def test_misuse_starts_nothing(tmp_path: Path, words: list[str], said: str) -> None:
    result = gatehouse(tmp_path, "run", *words)
    assert (result.exit_code, said in result.output) == (2, True)


def test_saving_never_replaces_a_file(tmp_path: Path) -> None:
    precious = tmp_path / "precious.yaml"
    precious.write_text("precious")
    result = gatehouse(tmp_path / "state", "run", "/=http://127.0.0.1:1", "--save", str(precious))
    assert (result.exit_code, "File exists" in result.output) == (2, True)
    assert precious.read_text() == "precious"


def test_a_broken_configuration_starts_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("listeners: [{name: public, port: 8088, prot: x}]\n")
    result = gatehouse(tmp_path, "run", "--config", str(broken))
    assert result.exit_code == 2
    assert "broken.yaml:1:" in result.output
    assert not (tmp_path / "instance.json").exists()
