"""How each proxy is found, configured and started, for each workload."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.work import ROUTES, Work, free_port, start
from gateway.compile.load import load_text

Start = Callable[[Work, str, int], tuple[subprocess.Popen[bytes], int]]
"""Work, workload and core → process and port."""


@dataclass(frozen=True)
class Peer:
    """A proxy: `start` is None where this machine lacks it, `workloads` are those it is measured at."""

    name: str
    start: Start | None
    workloads: tuple[str, ...]
    version: str


def find_peers() -> list[Peer]:
    """Every proxy, present or not."""
    return [
        Peer("gatehouse", start_gatehouse, ("plain", "policy"), "this checkout"),
        _peer("envoy", _envoy(), start_envoy, ("plain", "policy"), "--version"),
        _peer("haproxy", shutil.which("haproxy") or "/usr/sbin/haproxy", start_haproxy, ("policy",), "-v"),
        _peer("nginx", shutil.which("nginx") or "/usr/sbin/nginx", start_nginx, ("plain",), "-v"),
    ]


def _peer(name: str, path: str | None, starter: Start, workloads: tuple[str, ...], flag: str) -> Peer:
    if path is None or not Path(path).exists():
        return Peer(name, None, workloads, "not installed")
    told = subprocess.run([path, flag], capture_output=True, text=True, check=False)
    lines = [line.strip() for line in (told.stdout + told.stderr).splitlines() if line.strip()]
    return Peer(name, starter, workloads, lines[0] if lines else "?")


def _envoy() -> str | None:
    beside = Path(sys.executable).parent / "envoy"
    return str(beside) if beside.exists() else shutil.which("envoy")


GATEHOUSE = """
listeners: [{{name: public, port: {port}}}]
workers: 1
accessLog: {{enabled: false}}
tracing: {{sampled: 0.0}}
clusters: [{{name: b, endpoints: ["127.0.0.1:{upstream}"]}}]
providers:
  - name: p
    issuer: https://id.local
    audiences: [gw]
    algorithms: [RS256]
    jwks: {{cluster: b, path: /jwks.json}}
routes:
"""
PLAIN_ROUTE = (
    "  - {{name: {name}, public: true, matches: [{{path: {{value: {path}}}}}], backendRefs: [{{cluster: b}}]}}\n"
)
POLICY_ROUTE = """
  - name: {name}
    matches: [{{path: {{value: {path}}}}}]
    filters:
      - {{type: JWT, provider: p}}
      - {{type: Authorize, scopes: ["orders:read"]}}
      - {{type: RateLimit, key: {{type: Claim, name: sub}}, requests: 1000000, per: 1s}}
    backendRefs: [{{cluster: b}}]
"""


def start_gatehouse(work: Work, workload: str, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """One worker, as `gatehouse up` starts it, without a control process."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = sock.getsockname()[1]
    text = GATEHOUSE.format(port=port, upstream=work.upstream_port)
    if workload == "plain":
        text += PLAIN_ROUTE.format(name="all", path="/")
    else:
        for number in range(ROUTES):
            text += POLICY_ROUTE.format(name=f"svc{number}", path=f"/svc{number}/api")
        text += POLICY_ROUTE.format(name="orders", path="/orders")
    spec = load_text(text, "bench.yaml", {}).model_dump(mode="json", by_alias=True)
    last_good = work.directory / f"gatehouse-{workload}.json"
    last_good.write_text(json.dumps({"spec": spec, "endpoints": {}, "version": 1}))
    read, write = os.pipe()
    settings = {"worker": "bench", "listeners": {"public": sock.fileno()}, "last_good": str(last_good)}
    os.write(write, json.dumps(settings).encode())
    os.close(write)
    command = [sys.executable, "-m", "gateway.roles.edge", "--settings-fd", str(read)]
    process = start(command, core, port, pass_fds=(sock.fileno(), read))
    os.close(read)
    sock.close()
    return process, port


def start_envoy(work: Work, workload: str, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """One worker thread."""
    port = free_port()
    routes = "\n".join(
        f"              - match: {{ path_separated_prefix: /svc{number}/api }}\n                route: {{ cluster: b }}"
        for number in range(ROUTES)
    )
    template = "envoy-policy.yaml" if workload == "policy" else "envoy-plain.yaml"
    blanks = {"PORT": str(port), "UPSTREAM_PORT": str(work.upstream_port), "ROUTES": routes}
    path = work.fill(template, f"envoy-{workload}.yaml", **blanks)
    command = ["envoy", "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "off"]
    return start(command, core, port, executable=_envoy()), port


def start_haproxy(work: Work, workload: str, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """One thread."""
    port, routes = free_port(), work.directory / "routes.map"
    routes.write_text("".join(f"svc{number} b\n" for number in range(ROUTES)) + "orders b\n")
    blanks = {
        "PORT": str(port),
        "UPSTREAM_PORT": str(work.upstream_port),
        "PUBLIC_KEY_PEM_PATH": str(work.public_key),
        "ROUTES_MAP_PATH": str(routes),
    }
    path = work.fill("haproxy-policy.cfg", "haproxy.cfg", **blanks)
    return start(
        ["haproxy", "-f", str(path)], core, port, executable=shutil.which("haproxy") or "/usr/sbin/haproxy"
    ), port


def start_nginx(work: Work, workload: str, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """A plain proxy, one worker."""
    port = free_port()
    action = 'proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection "";'
    blanks = {"PORT": str(port), "UPSTREAM_PORT": str(work.upstream_port), "ACTION": action}
    path = work.fill("nginx.conf", "nginx-proxy.conf", **blanks)
    return start(["nginx", "-c", str(path)], core, port, executable=shutil.which("nginx") or "/usr/sbin/nginx"), port
