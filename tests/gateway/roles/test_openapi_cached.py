"""Validation behind a cache: what is kept is what the document lets pass, and it is judged once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = """
openapi: 3.1.0
paths:
  /users:
    get:
      operationId: listUsers
      parameters: [{name: page, in: query, schema: {type: integer, maximum: 9}}]
      responses:
        "200":
          content:
            application/json:
              schema: {type: object, required: [name], properties: {name: {type: string}}}
"""
GOOD, MORE, BAD = b'{"name":"ann"}', b'{"name": "ann", "hash": "x"}', b'{"trace": "main.py:1"}'


class Service:
    """Answers with `body`, which may be kept for a minute."""

    def __init__(self) -> None:
        self.body, self.asked = GOOD, 0

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(self.body), self.body))
        await writer.drain()


def config(address: str, folder: Path, response: str, order: str = "{cache}, {validation}") -> str:
    (folder / "users.yaml").write_text(DOCUMENT)
    validation = f"{{type: OpenApiValidation, document: {folder}/users.yaml, strict: true, response: {response}}}"
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
caches: [{{name: main}}]
routes:
  - name: users
    public: true
    backendRefs: [{{cluster: shop}}]
    filters: [{order.format(cache="{type: Cache, cache: main}", validation=validation)}]
"""


async def get(running: Any, target: str = "/users") -> tuple[int, bytes]:
    got = await running.raw(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    head, _, body = got.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_an_answer_that_does_not_fit_is_not_kept(gateway: Any, upstream: Any, tmp_path: Path) -> None:
    service = Service()
    running = await gateway(config((await upstream(service)).address, tmp_path, "{mode: enforce}"))
    service.body = BAD
    for _ in range(2):
        status, body = await get(running)
        assert (status, b"answer_invalid" in body, b"main.py" in body) == (502, True, False)
    service.body = GOOD
    assert [await get(running) for _ in range(2)] == [(200, GOOD)] * 2
    assert service.asked == 3  # the last one came from memory


async def test_what_was_taken_out_is_not_in_the_memory_either(gateway: Any, upstream: Any, tmp_path: Path) -> None:
    service = Service()
    service.body = MORE
    running = await gateway(
        config((await upstream(service)).address, tmp_path, "{mode: enforce, unknownFields: strip}")
    )
    assert [await get(running) for _ in range(2)] == [(200, GOOD)] * 2
    assert service.asked == 1
    assert running.worker.metrics.stripped.values == {("users",): 1}  # judged once, given twice


async def test_requests_that_do_not_fit_find_nothing_kept(gateway: Any, upstream: Any, tmp_path: Path) -> None:
    service = Service()
    running = await gateway(config((await upstream(service)).address, tmp_path, "{mode: report}"))
    for target in ("/users?page=10", "/users?more=1", "/users/1"):
        assert [(await get(running, target))[0] for _ in range(2)] == [400, 400] if "?" in target else [404, 404]
    assert service.asked == 0


async def test_what_is_only_reported_is_kept_as_it_came(gateway: Any, upstream: Any, tmp_path: Path) -> None:
    service = Service()
    service.body = BAD
    running = await gateway(config((await upstream(service)).address, tmp_path, "{mode: report}"))
    assert [await get(running) for _ in range(2)] == [(200, BAD)] * 2
    assert service.asked == 1
    assert running.worker.metrics.misfits.values == {("users", "response", "body"): 1}


@pytest.mark.parametrize(("headers", "status"), [("", 400), (", headers: [x-tenant]", 200)])
async def test_a_header_that_does_not_reach_the_service_is_missing(
    gateway: Any, upstream: Any, tmp_path: Path, headers: str, status: int
) -> None:
    text = config((await upstream(Service())).address, tmp_path, "{mode: enforce}")
    required = "{name: x-tenant, in: header, required: true, schema: {type: string}}"
    (tmp_path / "users.yaml").write_text(DOCUMENT.replace("parameters: [", f"parameters: [{required}, "))
    running = await gateway(text.replace("cache: main}", f"cache: main{headers}}}"))
    got = await running.raw(b"GET /users HTTP/1.1\r\nHost: a\r\nX-Tenant: a\r\nConnection: close\r\n\r\n")
    assert int(got.split()[1]) == status


async def test_in_front_of_a_cache_nothing_reads_whole_answers(gateway: Any, upstream: Any, tmp_path: Path) -> None:
    text = config((await upstream(Service())).address, tmp_path, "{mode: enforce}", "{validation}, {cache}")
    with pytest.raises(ValueError, match="reads whole answers: put it behind Cache"):
        await gateway(text)
