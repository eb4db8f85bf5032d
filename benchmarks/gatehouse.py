"""Gatehouse as a contestant: one worker, as `gatehouse up` starts it, without a control process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import native
from benchmarks.model import Setup
from benchmarks.processes import start
from benchmarks.work import CACHED_TOKENS, Work
from gateway.compile.load import load_text

UNLIMITED = 4 * 2**30
CONNECTIONS = 6_000
"""From one address, as the peers allow."""


def configuration(work: Work, setup: Setup, port: int) -> str:
    """The configuration file (YAML, of which JSON is a part) for one measurement."""
    route = _policy_route if setup.policy else _plain_route
    routes = [route(f"svc{number}", f"/svc{number}/api") for number in range(setup.routes)]
    routes.append(route("orders", "/orders" if setup.policy else "/"))
    if setup.redis:
        routes[-1]["filters"][-1] |= {"store": "shared", "onStoreFailure": "fail_closed"}
    if setup.streaming:
        routes[-1]["timeouts"] = {"request": "0s", "backendRequest": "0s"}
    upstream = f"127.0.0.1:{work.upstream(setup.streaming)}"
    return json.dumps(
        {
            "listeners": [_listener(work, setup, port)],
            "workers": 1,
            "accessLog": {"enabled": setup.access_log, "path": str(work.directory / "access.log")},
            "tracing": {"sampled": setup.sampled},
            "clusters": [{"name": "b", "endpoints": [upstream]}],
            "stores": [{"name": "shared", "address": f"127.0.0.1:{work.redis_port}", "timeout": "1s"}],
            "providers": [_provider()] if setup.policy else [],
            "routes": routes,
        }
    )


def _provider() -> dict[str, Any]:
    return {
        "name": "p",
        "issuer": "https://id.local",
        "audiences": ["gw"],
        "algorithms": ["RS256"],
        "jwks": {"cluster": "b", "path": "/jwks.json"},
        "cacheEntries": CACHED_TOKENS,
    }


def _plain_route(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "public": True, "matches": [{"path": {"value": path}}], "backendRefs": [{"cluster": "b"}]}


def _policy_route(name: str, path: str) -> dict[str, Any]:
    return {
        "name": name,
        "matches": [{"path": {"value": path}}],
        "filters": [
            {"type": "JWT", "provider": "p"},
            {"type": "Authorize", "scopes": ["orders:read"]},
            {"type": "RateLimit", "key": {"type": "Claim", "name": "sub"}, "requests": 1_000_000, "per": "1s"},
        ],
        "backendRefs": [{"cluster": "b"}],
    }


def _listener(work: Work, setup: Setup, port: int) -> dict[str, Any]:
    listener = {"name": "public", "port": port, "maxBodyBytes": UNLIMITED, "maxConnectionsPerAddress": CONNECTIONS}
    if not setup.tls:
        return listener
    pair = {"cert": str(work.certificate), "key": str(work.certificate)}
    return listener | {"tls": {"certificates": [pair]}}


def start_gatehouse(
    work: Work, setup: Setup, core: int, environment: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """One worker process and its port."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = int(sock.getsockname()[1])
    if setup.hops:
        return start_hops(work, setup.hops, sock, core), port
    more = {"otlp": {"endpoint": f"http://127.0.0.1:{work.backend_port}"}} if setup.sampled else {}
    configured = configuration(work, setup, port)
    return start_worker(work.directory, configured, sock, core, environment, **more), port


def start_native(work: Work, setup: Setup, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """Likewise, with the modules of the native build."""
    return start_gatehouse(work, setup, core, native.environment())


def start_hops(work: Work, kind: str, sock: socket.socket, core: int) -> subprocess.Popen[bytes]:
    """Two of us, one behind the other (see benchmarks.hops)."""
    folder = tempfile.mkdtemp(dir=work.directory)
    told = [kind, str(sock.fileno()), folder, str(work.nginx_port)]
    command = [sys.executable, "-m", "benchmarks.hops", *told]
    process = start(command, core, work.directory / "gatehouse.log", pass_fds=(sock.fileno(),))
    sock.close()
    return process


def start_worker(
    directory: Path,
    configured: str,
    sock: socket.socket,
    core: int,
    environment: dict[str, str] | None = None,
    **more: Any,
) -> subprocess.Popen[bytes]:
    """A worker process with this configuration on a bound socket, which it takes over; its log is in `directory`."""
    spec = load_text(configured, "bench.yaml", {}).model_dump(mode="json", by_alias=True)
    last_good = directory / "last-good.json"
    last_good.write_text(json.dumps({"spec": spec, "endpoints": {}, "version": 1}))
    state_dir = directory / "state"
    (state_dir / "logs").mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"worker": "bench", "listeners": {"public": sock.fileno()}, "last_good": str(last_good)}
    settings |= {"state_dir": str(state_dir)} | more
    read, write = os.pipe()
    os.write(write, json.dumps(settings).encode())
    os.close(write)
    command = [sys.executable, "-m", "gateway.roles.edge", "--settings-fd", str(read)]
    fds = (sock.fileno(), read)
    process = start(command, core, directory / "gatehouse.log", pass_fds=fds, environment=environment)
    os.close(read)
    sock.close()
    return process
