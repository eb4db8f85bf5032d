"""What a sidecar adds to a request, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

CONFIG = """
listeners: [{{name: public, port: 0, trustedHops: 1}}]
tracing: {{sampled: 0, passOn: {passes}}}
clusters: [{{name: app, endpoints: ["{app}"]}}]
routes: [{{name: all, public: true, backendRefs: [{{cluster: app}}], filters: [{filters}]}}]
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def ask(*fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"GET / HTTP/1.1\r\nHost: a\r\n{lines}Connection: close\r\n\r\n".encode()


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_trace_context_goes_on_as_it_came(gateway: Any, upstream: Any, flags: str) -> None:
    app = await upstream(OK)
    sidecar = await gateway(CONFIG.format(app=app.address, filters="", passes="true"))
    await sidecar.raw(ask(f"traceparent: 00-{TRACE}-{SPAN}-{flags}", "x-request-id: abc-1"))
    assert f"traceparent: 00-{TRACE}-{SPAN}-{flags}\r\n".encode() in app.seen[0]
    assert b"x-request-id: abc-1\r\n" in app.seen[0]


async def test_without_it_another_hop_would_be_the_parent(gateway: Any, upstream: Any) -> None:
    app = await upstream(OK)
    other = await gateway(CONFIG.format(app=app.address, filters="", passes="false"))
    await other.raw(ask(f"traceparent: 00-{TRACE}-{SPAN}-01"))
    assert TRACE.encode() in app.seen[0]
    assert SPAN.encode() not in app.seen[0]


async def test_the_service_is_told_the_secret_and_no_client_can_say_it(gateway: Any, upstream: Any) -> None:
    app = await upstream(OK)
    text = CONFIG.format(app=app.address, filters="{type: SidecarSecret}", passes="true")
    sidecar = await gateway(text, app_secret="s3cret")
    await sidecar.raw(ask("X-Gatehouse-Sidecar: guess", "x-gatehouse-sidecar: again"))
    assert app.seen[0].lower().count(b"x-gatehouse-sidecar") == 1
    assert b"x-gatehouse-sidecar: s3cret\r\n" in app.seen[0]


async def test_who_is_no_sidecar_has_no_such_filter(gateway: Any) -> None:
    with pytest.raises(ValueError, match="no sidecar"):
        await gateway(CONFIG.format(app="127.0.0.1:1", filters="{type: SidecarSecret}", passes="true"))


SERVICE = CONFIG.replace("{filters}", "{{type: ServiceSecret}}")


async def test_a_call_of_the_service_itself_goes_out_and_the_secret_does_not(gateway: Any, upstream: Any) -> None:
    peer = await upstream(OK)
    sidecar = await gateway(SERVICE.format(app=peer.address, passes="true"), app_secret="s3cret")
    assert (await sidecar.raw(ask("X-Gatehouse-Service: s3cret"))).endswith(b"ok")
    assert b"s3cret" not in peer.seen[0]
    assert b"x-gatehouse-service" not in peer.seen[0].lower()


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("X-Gatehouse-Service: guess",),
        ("X-Gatehouse-Service: ",),
        ("X-Gatehouse-Service: s3cret", "X-Gatehouse-Service: s3cret"),
        ("X-Gatehouse-Service: s3cret, s3cret",),
        ("X-Gatehouse-Sidecar: s3cret",),
    ],
)
async def test_nobody_else_speaks_with_its_identity(gateway: Any, upstream: Any, fields: tuple[str, ...]) -> None:
    peer = await upstream(OK)
    sidecar = await gateway(SERVICE.format(app=peer.address, passes="true"), app_secret="s3cret")
    answer = await sidecar.raw(ask(*fields))
    assert answer.startswith(b"HTTP/1.1 403")
    assert b'"reason":"not_from_service"' in answer
    assert b"s3cret" not in answer
    assert peer.seen == []
    assert sidecar.total("gateway_local_replies_total", reason="not_from_service") == 1


async def test_a_secret_that_was_told_is_never_empty(gateway: Any) -> None:
    with pytest.raises(ValueError, match="no sidecar"):
        await gateway(SERVICE.format(app="127.0.0.1:1", passes="true"))
