"""Every other door of the mesh, tried by a process of the same user on the same machine."""

from __future__ import annotations

import json
import re
import secrets
import socket
import ssl
import time
from contextlib import closing
from typing import Any

import pytest

from gateway.mesh import bootstrap
from gateway.mesh.identity import identity_of
from gateway.mesh.request import new_request

SERVICES = ("identity", "orders", "profiles", "storefront")
GUESSES: tuple[dict[str, str], ...] = (
    {},
    {"X-Gatehouse-Sidecar": "guess"},
    {"X-Gatehouse-Service": "guess"},
    {"X-Gatehouse-Sidecar": "", "X-Gatehouse-Service": ""},
)


# -- the service's own port, past its sidecar


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_listens_to_its_sidecar_only(mesh: Any, service: str) -> None:
    shop, port = mesh.shop, mesh.shop.ports[service]

    def counted() -> float:
        body = shop.send("GET", "/metrics", port=port).body.decode()
        return float(re.findall(r"^service_requests_not_from_sidecar_total (\S+)$", body, re.MULTILINE)[0])

    before = counted()
    for headers in GUESSES:
        for path in ("/", "/products", "/jwks.json", "/profiles", "/graphql", "/healthz/"):
            answer = shop.send("GET", path, port=port, headers=headers, token=shop.token("admin"))
            assert (answer.status, answer.json()["reason"]) == (403, "not_from_sidecar"), path
    assert counted() == before + len(GUESSES) * 6
    assert shop.send("GET", "/healthz", port=port).status == 200


# -- a sidecar's outbound ports: who could use them would speak with its service's identity


@pytest.mark.parametrize("service", ["orders", "profiles", "storefront"])
def test_a_sidecar_speaks_for_its_own_service_only(mesh: Any, until: Any, service: str) -> None:
    shop, ports = mesh.shop, mesh.outbound(service)
    assert ports
    labels = {"service": service, "reason": "not_from_service"}
    before = mesh.metric("gateway_local_replies_total", **labels)
    for port in ports:
        for headers in GUESSES:
            answer = shop.send("DELETE", "/products", port=port, headers=headers)  # a method that no service uses
            assert (answer.status, answer.json()["reason"]) == (403, "not_from_service")
    until(lambda: mesh.metric("gateway_local_replies_total", **labels) == before + len(ports) * len(GUESSES))
    out = {"service": service, "http_request_method": "DELETE"}
    assert mesh.metric("http_client_request_duration_seconds_count", **out) == 0


def test_and_the_service_itself_gets_through_the_same_ports(mesh: Any) -> None:
    """What storefront asks orders for goes through them."""
    query = {"query": "{ me { username orders { id } } }"}
    answer = mesh.shop.send("POST", "/graphql", json=query, token=mesh.shop.token("alice")).json()
    assert answer["data"]["me"]["orders"]
    assert "errors" not in answer


# -- the authority


def ask_authority(mesh: Any, message: dict[str, Any], context: ssl.SSLContext | None = None) -> dict[str, Any] | None:
    (port,) = mesh.listening("authority")
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with closing(plain), (context or mesh.nobody()).wrap_socket(plain) as tls:
        tls.sendall(json.dumps(message).encode() + b"\n")
        line = tls.makefile("rb").readline()
    return json.loads(line) if line else None


def results(mesh: Any, asked: str, result: str) -> int:
    found = mesh.authority()["results"]
    return sum(one["count"] for one in found if (one["asked"], one["result"]) == (asked, result))


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (
            bootstrap.mint(secrets.token_bytes(32), identity_of("orders"), "orders-sidecar", time.time()),
            "token_invalid",
        ),
        ("", "token_invalid"),
        ("e30=.e30=", "token_invalid"),
    ],
    ids=["signed by another", "empty", "noise"],
)
def test_the_authority_gives_nobody_an_identity_for_a_token_that_is_none(mesh: Any, token: str, reason: str) -> None:
    before = results(mesh, "enrol", reason)
    message = {"do": "enrol", "token": token, "request": new_request().request}
    assert ask_authority(mesh, message) == {"error": reason}
    assert results(mesh, "enrol", reason) == before + 1


@pytest.mark.parametrize(
    "message", [{"do": "renew", "request": new_request().request}, {"do": "watch"}], ids=["renew", "watch"]
)
def test_without_a_certificate_it_renews_nothing_and_tells_nothing(mesh: Any, message: dict[str, Any]) -> None:
    assert ask_authority(mesh, message) == {"error": "not_allowed"}


def test_who_renews_gets_the_identity_that_it_has(mesh: Any) -> None:
    """Whatever the request asks for; and it hears whom to believe."""
    told = ask_authority(mesh, {"do": "watch"}, mesh.of("profiles"))
    assert told is not None
    assert told["bundle"] == (mesh.shop.state / "mesh" / "root.pem").read_text()


@pytest.mark.parametrize("secret", [None, "", "guess", "é", ["x"], 5], ids=repr)
def test_the_authority_takes_commands_from_nobody_without_the_secret(mesh: Any, secret: Any) -> None:
    """Every process of this user can open its socket."""
    before = results(mesh, "admin", "wrong_secret")
    commands: list[dict[str, Any]] = [
        {"do": "list"},
        {"do": "revoke", "identity": identity_of("orders")},
        {"do": "adopt", "intermediate": {}},
    ]
    for command in commands:
        message = command if secret is None else command | {"secret": secret}
        with closing(socket.socket(socket.AF_UNIX)) as line:
            line.settimeout(10)
            line.connect(mesh.shop.instance["authority_socket"])
            line.sendall(json.dumps(message).encode() + b"\n")
            assert json.loads(line.makefile("rb").readline()) == {"error": "wrong secret"}
    assert results(mesh, "admin", "wrong_secret") == before + len(commands)
    assert mesh.authority()["barred"] == []


# -- control, and its registry


def hello(mesh: Any, context: ssl.SSLContext, **said: Any) -> bytes:
    """The snapshot that control sends to who introduces itself so; empty when it ends the line."""
    known = {mesh.shop.ports["admin"], mesh.shop.ports["collector"]}
    (port,) = [one for one in mesh.listening("control") if one not in known]
    told = {"type": "hello", "role": "sidecar", "pid": 1, "address": "127.0.0.1:9", **said}
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with closing(plain), context.wrap_socket(plain) as tls:
        tls.sendall(json.dumps(told).encode() + b"\n")
        try:
            heard = tls.makefile("rb")
            while b'"snapshot"' not in (line := heard.readline()) and line:
                pass  # canaries and the like come before it
            return line
        except OSError:  # reset, or the alert that a certificate is wanted
            return b""


@pytest.mark.parametrize(
    "said",
    [
        {"service": "orders", "worker": "orders-sidecar"},
        {"service": "orders", "worker": "orders-2-sidecar"},
        {"service": "profiles", "worker": "orders-sidecar"},
        {"service": "profiles", "worker": "gateway-1"},
        {"service": "profiles", "worker": "gateway-1", "role": "edge"},
        {"service": "profiles", "worker": "profiles-2", "address": ""},
    ],
    ids=str,
)
def test_nobody_registers_for_another_service_or_in_anothers_name(mesh: Any, said: dict[str, str]) -> None:
    before = mesh.status()["sidecars"]
    broken = mesh.shop.metric("gateway_control_channel_errors_total")
    assert hello(mesh, mesh.of("profiles"), **said) == b""
    assert mesh.status()["sidecars"] == before
    assert mesh.shop.metric("gateway_control_channel_errors_total") == broken + 1


@pytest.mark.parametrize("who", ["nobody", "expired", "foreign domain"])
def test_control_talks_to_nobody_without_an_identity(mesh: Any, who: str) -> None:
    before = mesh.status()["sidecars"]
    context = {
        "nobody": mesh.nobody,
        "expired": lambda: mesh.forged(identity_of("orders"), began=-3_600),
        "foreign domain": lambda: mesh.forged("spiffe://elsewhere.example/ns/shop/sa/orders"),
    }[who]()
    try:
        heard = hello(mesh, context, service="orders", worker="orders-sidecar")
    except OSError:
        heard = b""
    assert heard == b""
    assert mesh.status()["sidecars"] == before


def test_with_the_identity_of_a_service_one_hears_what_concerns_it_and_nothing_else(mesh: Any, until: Any) -> None:
    """So the tests above fail for the reason that they name."""
    heard = json.loads(hello(mesh, mesh.of("profiles"), service="profiles", worker="profiles-2"))
    assert {one["name"] for one in heard["spec"]["routes"]} == {"into-profiles", "profiles-to-identity"}
    assert set(heard["endpoints"]) == {"identity"}
    until(lambda: [one["name"] for one in mesh.status()["sidecars"]].count("profiles-2") == 0)  # its lease has ended


def test_a_sidecar_that_lies_bends_only_its_own_numbers(mesh: Any, until: Any) -> None:
    """It has the identity of profiles and tells of requests that others are said to have sent."""

    def sample(reporter: str, source: str, destination: str) -> list[Any]:
        labels = {"reporter": reporter, "source": source, "destination": destination, "security": "none"}
        return ["gateway_mesh_request_duration_seconds_count", labels, 1e6, None]

    lies = [
        sample("source", "storefront", "orders"),
        sample("destination", "storefront", "orders"),
        sample("somebody", "storefront", "orders"),
        sample("destination", "storefront", "profiles"),
    ]
    families = [
        {"name": "gateway_mesh_request_duration_seconds", "type": "histogram", "samples": lies},
        {
            "name": "http_server_active_requests",
            "type": "gauge",
            "samples": [["http_server_active_requests", {}, 1e6, None]],
        },
    ]
    known = {mesh.shop.ports["admin"], mesh.shop.ports["collector"]}
    (port,) = [one for one in mesh.listening("control") if one not in known]
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with closing(plain), mesh.of("profiles").wrap_socket(plain) as tls:
        told = {"type": "hello", "role": "sidecar", "pid": 1, "address": "127.0.0.1:9"}
        tls.sendall(json.dumps({**told, "service": "profiles", "worker": "profiles-2"}).encode() + b"\n")
        tls.makefile("rb").readline()
        tls.sendall(json.dumps({"type": "stats", "families": families}).encode() + b"\n")
        until(lambda: mesh.metric("http_server_active_requests", service="profiles") >= 1e6)
        name = "gateway_mesh_request_duration_seconds_count"
        assert mesh.shop.metric(name, source="storefront", destination="profiles") >= 1e6
        assert mesh.shop.metric(name, source="storefront", destination="orders") < 1e6
        assert mesh.shop.metric("http_server_active_requests") < 1e6
    until(lambda: [one["name"] for one in mesh.status()["sidecars"]].count("profiles-2") == 0)
