"""Raw bytes through a gateway that holds requests and answers to a document, in both directions."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.compile.load import load_spec
from gateway.compile.table import filter_types
from gateway.spec.restore import restore, sent

DOCUMENT = """
openapi: 3.1.0
paths:
  /users:
    post:
      operationId: createUser
      parameters: [{name: notify, in: query, schema: {type: boolean}}]
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/User"}}}
      responses:
        "201": {content: {application/json: {schema: {$ref: "#/components/schemas/User"}}}}
    get:
      operationId: exportUsers
      responses:
        "200": {content: {text/csv: {}}}
components:
  schemas:
    User:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, maxLength: 20}
        password: {type: string, writeOnly: true}
"""
GOOD = b'{"id": 1, "name": "ann"}'


def config(address: str, folder: Path, keys: str) -> str:
    (folder / "users.yaml").write_text(DOCUMENT)
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
routes:
  - name: users
    public: true
    backendRefs: [{{cluster: shop}}]
    filters:
      - {{type: OpenApiValidation, document: {folder}/users.yaml, {keys}}}
"""


def answering(body: bytes, status: bytes = b"201 Created", kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)


class Case:
    """A gateway in front of a service, and what passed between them."""

    def __init__(self, gateway: Any, shop: Any) -> None:
        self.gateway = gateway
        self.shop = shop

    async def send(self, body: bytes, target: str = "/users", method: str = "POST") -> tuple[int, Any]:
        head = f"{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
        got = await self.gateway.raw(head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        head, _, content = got.partition(b"\r\n\r\n")
        framed = b"transfer-encoding: chunked" in head
        told = json.loads(content) if b"json" in head.lower() and content and not framed else content
        return int(head.split()[1]), told

    def misfits(self, direction: str, where: str) -> float:
        found: float = self.gateway.total("gateway_schema_violations_total", direction=direction, where=where)
        return found


@pytest.fixture
def case(gateway: Any, upstream: Any, tmp_path: Path) -> Any:
    async def start(answer: Any, keys: str = "strict: true") -> Case:
        shop = await upstream(answer)
        return Case(await gateway(config(shop.address, tmp_path, keys)), shop)

    return start


async def test_a_request_that_fits_reaches_the_service_as_it_came(case: Any) -> None:
    one = await case(answering(GOOD))
    body = b'{ "name":"ann",  "password": "x" }'
    assert await one.send(body, "/users?notify=true") == (201, json.loads(GOOD))
    assert b"POST /users?notify=true" in one.shop.seen[0]
    assert one.gateway.total("gateway_operations_total", operation_type="openapi", operation_name="createUser") == 1


async def test_a_request_that_does_not_fit_never_reaches_it(case: Any) -> None:
    one = await case(answering(GOOD))
    status, told = await one.send(b'{"name": "ann", "role": "admin", "id": 7}')
    assert (status, told["reason"], told["policy"]) == (400, "body_invalid", "test.yaml:9")
    assert told["errors"] == [
        {"detail": "there is no such field", "pointer": "#/role"},
        {"detail": "is for the other direction only", "pointer": "#/id"},
    ]
    status, told = await one.send(b'{"name": "ann"}', "/users?notify=maybe")
    assert told["errors"] == [{"detail": "must be true or false", "parameter": "notify", "in": "query"}]
    assert (await one.send(b"{}", "/users/1"))[0] == 404
    assert (await one.send(b"{}", method="DELETE"))[0] == 405
    assert one.shop.seen == []
    assert (one.misfits("request", "body"), one.misfits("request", "parameters")) == (1, 1)
    assert one.misfits("request", "operation") == 2


@pytest.mark.parametrize(
    "bad",
    [
        answering(b'{"id": 1, "name": "ann", "password_hash": "argon2id"}'),
        answering(b'{"id": 1, "name": "ann", "password": "argon2id"}'),
        answering(b'{"id": 1, "name": ["argon2id"]}'),
        answering(b"argon2id", b"500 Oops", b"text/plain"),
    ],
    ids=["unknown", "writeOnly", "type", "status"],
)
async def test_nothing_of_an_answer_that_does_not_fit_reaches_the_client(case: Any, bad: bytes) -> None:
    one = await case(bad, "strict: true, response: {mode: enforce}")
    status, told = await one.send(b'{"name": "ann"}')
    assert (status, told["reason"], told["policy"]) == (502, "answer_invalid", "test.yaml:9")
    assert "argon2id" not in json.dumps(told)
    assert "errors" not in told


async def test_in_report_mode_it_passes_and_is_counted(case: Any) -> None:
    one = await case(answering(b'{"id": 1, "name": "ann", "password_hash": "argon2id"}'))
    assert await one.send(b'{"name": "ann"}') == (201, {"id": 1, "name": "ann", "password_hash": "argon2id"})
    assert one.misfits("response", "body") == 1
    assert b"accept-encoding: identity" in one.shop.seen[0].lower()


async def test_an_answer_in_pieces_is_reported_at_its_end(case: Any) -> None:
    async def pieces(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b'{"id": "x"', b', "name": "ann"}'):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    one = await case(pieces)
    status, body = await one.send(b'{"name": "ann"}')
    assert b'"name": "ann"}' in body
    assert (status, one.misfits("response", "body")) == (201, 1)


async def test_fields_that_nobody_described_are_taken_out(case: Any) -> None:
    leaking = answering(b'{"id": 1, "name": "ann", "password": "p", "password_hash": "argon2id"}')
    one = await case(leaking, "strict: true, response: {mode: enforce, unknownFields: strip}")
    assert await one.send(b'{"name": "ann"}') == (201, {"id": 1, "name": "ann"})
    assert one.gateway.total("gateway_schema_fields_stripped_total", http_route="users") == 2


async def test_a_body_of_another_type_streams_past(case: Any) -> None:
    one = await case(answering(b"a" * 3_000_000, b"200 OK", b"text/csv"), "response: {mode: enforce}")
    status, body = await one.send(b"", method="GET")
    assert (status, len(body)) == (200, 3_000_000)


async def test_too_much_to_look_at(case: Any) -> None:
    one = await case(answering(b" " * 200 + GOOD), "request: {maxBytes: 100}, response: {mode: enforce, maxBytes: 100}")
    assert (await one.send(b'{"name": "ann"}'))[1]["reason"] == "answer_too_large_to_inspect"
    assert (await one.send(b'{"name": "ann"}' + b" " * 100))[1]["reason"] == "body_too_large_to_inspect"


async def test_a_changed_document_counts_after_a_reload(case: Any, tmp_path: Path) -> None:
    one = await case(answering(GOOD))
    assert (await one.send(b'{"name": "ann", "age": 5}'))[0] == 400
    text = config(one.shop.address, tmp_path, "strict: true")
    (tmp_path / "users.yaml").write_text(DOCUMENT.replace("name: {type", "age: {type: integer}\n        name: {type"))
    one.gateway.apply(text)
    assert (await one.send(b'{"name": "ann", "age": 5}'))[0] == 201


async def test_a_document_that_is_broken_meanwhile_changes_nothing(case: Any, tmp_path: Path) -> None:
    """A worker goes by what the configuration says, not by the file: it may have to start from the last good one."""
    one = await case(answering(GOOD))
    (tmp_path / "users.yaml").write_text("nonsense")
    spec = one.gateway.worker.snapshot.spec
    one.gateway.worker.apply(restore(sent(spec), filter_types()), {}, 2)
    assert (await one.send(b'{"name": "ann"}'))[0] == 201
    assert (await one.send(b'{"name": 5}'))[0] == 400


CONFIG = Path(__file__).parents[3] / "config"
PRODUCT = {"id": 1, "name": "Tea", "description": "", "price": 450, "currency": "EUR", "stock": 3}


async def test_the_lesson(gateway: Any, upstream: Any) -> None:
    page = json.dumps({"products": [PRODUCT | {"cost_price": 12}], "next_cursor": None}).encode()
    shop = await upstream(answering(page, b"200 OK"))
    one = Case(await gateway(load_spec(CONFIG / "openapi.yaml", {"ORDERS": shop.address})), shop)
    assert await one.send(b"", "/products?limit=2", "GET") == (200, {"products": [PRODUCT], "next_cursor": None})
    for target, status, detail in (
        ("/products?limit=1000000", 400, "query parameter limit: must be at most 100"),
        ("/products?limit=5&limit=100", 400, "query parameter limit: is given more than once"),
        ("/products/1/reviews", 404, "this path is not in the description of this API"),
    ):
        got, told = await one.send(b"", target, "GET")
        assert (got, told["detail"]) == (status, detail)
    assert (await one.send(b"{}", "/orders"))[1]["reason"] == "token_missing"
    assert len(one.shop.seen) == 1
