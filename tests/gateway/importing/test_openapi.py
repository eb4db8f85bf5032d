"""Configurations made from OpenAPI documents: golden texts, and every operation on a route of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.main import cli
from gateway.compile.load import load_spec, load_text
from gateway.importing.openapi_config import Wishes, configuration
from gateway.importing.openapi_file import read_openapi
from gateway.routing.table import RouteTable
from gateway.spec.models import Spec
from gateway.testing import Gatehouse
from sample_services.profiles.openapi import document as profiles_document

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
ORDERS = HERE.parents[2] / "sample_services" / "orders" / "openapi.yaml"
DOCUMENTS = [*(GOLDEN / name for name in ("petstore.yaml", "library.yaml", "hello.json")), ORDERS]


class Asked:
    """What a table may ask a request for."""

    query = ""

    def __init__(self, **headers: str) -> None:
        self._headers = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}

    def all(self, name: bytes) -> list[bytes]:
        return [value for field, value in self._headers.items() if field == name]


def loaded(text: str, folder: Path) -> Spec:
    (folder / "api-keys.json").write_text('{"keys": []}')
    return load_text(text, "made.yaml", {}, folder)


def taken(spec: Spec, method: str, path: str, **headers: str) -> str | None:
    table = RouteTable([(route, route.name) for route in spec.routes])
    entry = table.match("127.0.0.1", path, method, Asked(**headers))
    return entry.target if entry else None


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["import", "openapi", *words])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden(document: Path, tmp_path: Path) -> None:
    made = configuration(read_openapi(document), Wishes()).text
    expected = GOLDEN / f"{'orders' if document == ORDERS else document.stem}.txt"
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(made, "utf-8")
    assert made == expected.read_text("utf-8")
    shutil.copy(document, tmp_path)
    loaded(made, tmp_path)


def test_the_profiles_of_the_shop(tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    file.write_text(json.dumps(profiles_document("http://127.0.0.1:8088/profiles")))
    spec = loaded(configuration(read_openapi(file), Wishes(cluster="127.0.0.1:8103")).text, tmp_path)
    assert {route.matches[0].path.value.split("/")[1] for route in spec.routes} == {"profiles"}
    assert all(not route.public for route in spec.routes if "JWT" in [one.type for one in route.filters])
    assert spec.clusters[0].listed == ("127.0.0.1:8103",)


@pytest.fixture
def library(tmp_path: Path) -> Spec:
    return loaded(configuration(read_openapi(GOLDEN / "library.yaml"), Wishes()).text, tmp_path)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v2/books/7", "read-book"),
        ("HEAD", "/v2/books/7", "head-books-isbn"),
        ("GET", "/v2/books/7.pdf", "get-books-isbn-pdf"),
        ("GET", "/v2/books/mine", "mine"),
        ("GET", "/v2/films/new", "new-ones"),
        ("GET", "/v2/gr%C3%B6%C3%9Fe/7", "get-gr-e-n"),
        ("GET", "/v2/old", "mine-2"),
        ("POST", "/v2/reports/2024-05", "make-report"),
        ("GET", "/v2/reports/2024", None),
        ("POST", "/v2/books/7", None),
        ("HEAD", "/v2/books/mine", "head-books-isbn"),
        ("OPTIONS", "/v2/books/7", None),
        ("GET", "/books/7", None),
        ("GET", "/v2/books/7/8", None),
        ("GET", "/v2/books/", None),
        ("GET", "/v2/x-note", None),
    ],
)
def test_each_operation_has_its_route(library: Spec, method: str, path: str, route: str | None) -> None:
    assert taken(library, method, path) == route


def test_a_token_or_a_key_is_enough(tmp_path: Path) -> None:
    spec = loaded(configuration(read_openapi(GOLDEN / "petstore.yaml"), Wishes()).text, tmp_path)
    assert taken(spec, "GET", "/api/v3/pet/7") == "get-pet-by-id"
    assert taken(spec, "GET", "/api/v3/pet/7", api_key="x") is not None
    headers = {route.name: [one.type for one in route.filters] for route in spec.routes}
    assert headers["get-pet-by-id"] == ["JWT", "Authorize", "SizeLimit"]
    assert headers["get-pet-by-id-by-key"] == ["ApiKey", "SizeLimit"]


def test_what_is_not_understood_is_closed(gatehouse: Gatehouse, tmp_path: Path) -> None:
    service, file = gatehouse.upstream(), tmp_path / "made.yaml"
    file.write_text(configuration(read_openapi(GOLDEN / "library.yaml"), Wishes()).text)
    (tmp_path / "api-keys.json").write_text('{"keys": []}')
    issuer = gatehouse.issuer()
    gateway = gatehouse(file, clusters={"b-cher-home": service}, issuers={"issuer": issuer})
    for path in ("/v2/reports/2024-05", "/v2/stats"):
        gateway.get(path).assert_refused("policy_denied", 403)
    gateway.get("/v2/partners").assert_refused("api_key_missing", 401)
    gateway.get("/v2/films/new").assert_passed()
    gateway.get("/v2/books/7").assert_refused("token_missing", 401)
    gateway.get("/v2/books/7", token=issuer.token()).assert_passed()
    put = {"data": "{}", "headers": {"Content-Type": "application/json"}}
    gateway.put("/v2/books/7", token=issuer.token(scopes=["books"]), **put).assert_refused("policy_not_allowed", 403)
    gateway.put("/v2/books/7", token=issuer.token(scopes=["editor"]), **put).assert_passed()
    gateway.put("/v2/books/7", token=issuer.token(scopes=["books", "admin"]), **put).assert_passed()
    gateway.request("GET", "/v2/books/mine", token=issuer.token(), data="x").assert_refused("body_too_large", 413)


# -- every operation, of any document ------------------------------------------------------------------------

SEGMENTS = st.sampled_from(["a", "b", "{p}", "{q}", "{p}.pdf", "x-{p}", "a b", "a.b"])
PATHS = st.lists(SEGMENTS, min_size=0, max_size=3).map(lambda parts: "/" + "/".join(parts))
METHODS = st.sets(st.sampled_from(["get", "put", "post", "delete", "patch", "head", "options"]), min_size=1, max_size=3)
VALUES = st.sampled_from(["a", "b", "7", "7.pdf", "x-7", "a%20b", "a.b", "aXb"])
QUESTIONS = st.lists(st.lists(VALUES, max_size=3).map(lambda parts: "/" + "/".join(parts)), min_size=1, max_size=8)


def same(path: str) -> str:
    return re.sub(r"\{\w\}", "{}", path)


def fits(template: str, path: str) -> bool:
    """Segment by segment, by other means than the one that is tested."""
    wanted, offered = template.split("/"), path.replace("%20", " ").split("/")
    return len(wanted) == len(offered) and all(
        re.fullmatch(re.sub(r"\\\{\w\\\}", "(?s:.+)", re.escape(one)), other)
        for one, other in zip(wanted, offered, strict=True)
    )


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(PATHS, METHODS, min_size=1, max_size=8), QUESTIONS)
def test_what_is_documented_is_routed_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, paths: dict[str, set[str]], questions: list[str]
) -> None:
    distinct = {same(path): path for path in paths}.values()
    document = {
        "openapi": "3.1.0",
        "paths": {path: {one: {"operationId": f"{one} {path}"} for one in sorted(paths[path])} for path in distinct},
    }
    folder = tmp_path_factory.mktemp("document")
    (folder / "any.yaml").write_text(yaml.safe_dump(document))
    read = read_openapi(folder / "any.yaml")
    spec = loaded(configuration(read, Wishes()).text, folder)
    names = _names(read)
    for path in distinct:  # a value that is no literal of any template leads to its own route, unless two fit alike
        sample = re.sub(r"\{\w\}", "zz9", path).replace(" ", "%20")
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"):
            alike = [one for one in distinct if fits(one, sample) and method.lower() in paths[one]]
            route = taken(spec, method, sample)
            assert (route is None) == (not alike)
            if alike == [path]:
                assert route == names[method, path]
    for question in questions:
        for method in ("GET", "PUT", "TRACE"):
            possible = {names[method, one] for one in distinct if fits(one, question) and method.lower() in paths[one]}
            route = taken(spec, method, question)
            assert route in possible if possible else route is None


def _names(read: Any) -> dict[tuple[str, str], str]:
    from gateway.importing.openapi_operations import read_described

    return {(one.method, one.path): one.name for one in read_described(read)}


# -- documents that are none ---------------------------------------------------------------------------------

BAD = {
    "not there": (None, "cannot be read"),
    "empty": ("", "the file is empty"),
    "a list": ("- 1\n", "it is no mapping"),
    "no document": ("title: x\n", "the key `openapi` is missing"),
    "swagger 2": ("swagger: '2.0'\npaths: {}\n", "this is Swagger 2.0"),
    "a later version": ("openapi: 4.0.0\npaths: {/a: {get: {}}}\n", "version 4.0.0 is unknown here"),
    "no paths": ("openapi: 3.1.0\n", "there are no paths"),
    "no operation": ("openapi: 3.1.0\npaths: {/a: {summary: x}}\n", "there is no operation in it"),
    "a key twice": (
        "openapi: 3.1.0\npaths:\n  /a:\n    get: {}\n    get: {}\n",
        'doc.yaml:5:5: duplicate key "get"; it stands already',
    ),
    "a key twice in JSON": ('{"openapi": "3.1.0", "paths": {"/a": {"get": {}, "get": {}}}}', 'duplicate key "get"'),
    "bad JSON": ('{"openapi": \n "3.1.0",', "doc.yaml:2:10: not valid JSON"),
    "deep JSON": ("{" + '"a":{' * 100_000, "nested too deeply"),
    "an id twice": (
        "openapi: 3.1.0\npaths:\n  /a: {get: {operationId: x}}\n  /b: {get: {operationId: x}}\n",
        'doc.yaml:4:27: operationId "x" stands already on line 3',
    ),
    "one path twice": (
        "openapi: 3.1.0\npaths:\n  /a/{x}: {get: {}}\n  /a/{y}: {put: {}}\n",
        'doc.yaml:4:3: "/a/{y}" and "/a/{x}" are the same path',
    ),
    "a cycle": ("openapi: 3.1.0\npaths:\n  /a: {$ref: '#/paths/~1a'}\n", "doc.yaml:3:14: '#/paths/~1a' leads round"),
    "another file": ("openapi: 3.1.0\npaths:\n  /a: {$ref: 'a.yaml'}\n", "'a.yaml' is another document"),
    "an address": ("openapi: 3.1.0\npaths:\n  /a: {$ref: 'http://h/x'}\n", "'http://h/x' is another document"),
    "nothing there": ("openapi: 3.1.0\npaths:\n  /a: {$ref: '#/x/y'}\n", "'#/x/y' points at nothing"),
    "in JSON": ('{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/x"}}}', "points at nothing (in paths → /a → $ref)"),
    "no scheme": (
        "openapi: 3.1.0\npaths:\n  /a: {get: {security: [{who: []}]}}\n", 'there is no security scheme "who"'
    ),
    "no slash": ("openapi: 3.1.0\npaths:\n  a: {get: {}}\n", 'a path begins with "/"'),
    "a query": ("openapi: 3.1.0\npaths:\n  /a?b=c: {get: {}}\n", "a path has no query"),
    "a brace": ("openapi: 3.1.0\npaths:\n  /a/{b: {get: {}}\n", "a parameter is a name in braces"),
    "dots": ("openapi: 3.1.0\npaths:\n  /a/../b: {get: {}}\n", "such requests are refused"),
    "too many": (
        "openapi: 3.1.0\npaths:\n" + "".join(f"  /{n}: {{get: {{}}}}\n" for n in range(2_001)),
        "more than 2000 operations",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_document_is_told_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    file = tmp_path / "doc.yaml"
    if text is not None:
        file.write_text(text)
    result = run(str(file), "-o", str(tmp_path / "made.yaml"))
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "made.yaml").exists()


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "doc.yaml"
    with file.open("wb") as opened:
        opened.truncate(17 * 1024 * 1024)
    assert "is larger than 16 MiB" in run(str(file)).output


# -- the command ---------------------------------------------------------------------------------------------


def test_it_writes_a_good_configuration_and_the_file_of_keys(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    result = run(str(GOLDEN / "petstore.yaml"), "-o", str(made), "--cluster", "127.0.0.1:9000", "--listener", "9088",
                 "--issuer", "http://127.0.0.1:8101")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"Written: {made}, 9 routes, 3 lines marked LOOK." in result.output
    assert "Nothing is held to the document: petstore.yaml:29: path parameter 'petId'" in result.output
    assert "api-keys.json, without a key yet" in result.output
    spec = load_spec(made, {})
    assert (spec.listeners[0].port, spec.providers[0].issuer) == (9088, "http://127.0.0.1:8101")
    assert [cluster.listed for cluster in spec.clusters] == [("127.0.0.1:9000",), ("127.0.0.1:8101",)]
    assert CliRunner().invoke(cli, ["check", str(made)]).exit_code == 0


def test_what_is_written_elsewhere_holds_requests_to_the_document(gatehouse: Gatehouse, tmp_path: Path) -> None:
    document, made = tmp_path / "apis" / "orders.yaml", tmp_path / "gateway" / "made.yaml"
    document.parent.mkdir()
    made.parent.mkdir()
    shutil.copy(ORDERS, document)
    assert run(str(document), "-o", str(made)).exit_code == 0
    assert 'document: "../apis/orders.yaml"' in made.read_text()
    service, issuer = gatehouse.upstream(), gatehouse.issuer()
    gateway = gatehouse(made, clusters={"orders": service}, issuers={"issuer": issuer})
    token = issuer.token(scopes=["orders:write"])
    gateway.get("/products?limit=1000000").assert_refused("parameter_invalid", 400)
    gateway.post("/orders", token=token, json={"items": [], "price": 1}).assert_refused("body_invalid", 400)
    gateway.get("/products?limit=10").assert_passed()  # the answer is none of the document, and only reported
    assert [got.path for got in service.received] == ["/products"]


FILES = """
openapi: 3.1.0
info: {title: files, version: "1"}
security: []
paths:
  /file:
    put:
      requestBody: {content: {application/octet-stream: {}}}
      responses: {"204": {description: stored}}
"""


def test_files_stream_past(gatehouse: Gatehouse, tmp_path: Path) -> None:
    (tmp_path / "files.yaml").write_text(FILES)
    made = tmp_path / "made.yaml"
    made.write_text(configuration(read_openapi(tmp_path / "files.yaml"), Wishes()).text)
    gateway = gatehouse(made, clusters={"files": gatehouse.upstream()})
    big = {"data": b"x" * 2_000_000, "headers": {"Content-Type": "application/octet-stream"}}
    gateway.put("/file", **big).assert_passed()
    gateway.put("/file?more=1", **big).assert_refused("parameter_invalid", 400)


def test_it_replaces_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    made.write_text("mine")
    result = run(str(ORDERS), "-o", str(made))
    assert (result.exit_code, made.read_text()) == (2, "mine")
    assert "is there already" in result.output


@pytest.mark.parametrize("cluster", ["shop.example", "ftp://127.0.0.1", "http://u:p@127.0.0.1:80", "http://127.1", "x"])
def test_a_cluster_that_is_no_address(cluster: str) -> None:
    assert run(str(ORDERS), "--cluster", cluster).exit_code == 2


def test_a_name_is_an_endpoint_and_https_means_tls() -> None:
    output = run(str(ORDERS), "--cluster", "https://Orders.example:8443/x").output
    assert 'endpoints: ["orders.example:8443"]\n    tls: {}' in output


def test_a_server_that_is_no_address_is_left_to_people(tmp_path: Path) -> None:
    file = tmp_path / "doc.yaml"
    file.write_text("openapi: 3.0.0\nservers: [{url: 'https://{who}/v1'}]\npaths: {/a: {get: {}}}\n")
    made = configuration(read_openapi(file), Wishes()).text
    assert 'endpoints: ["127.0.0.1:8000"]  # LOOK: the document does not say where the service is' in made
    assert 'value: "/v1/a"' in made


def test_text_of_the_document_cannot_leave_its_place(tmp_path: Path) -> None:
    text = (GOLDEN / "petstore.txt").read_text("utf-8")
    assert "# POST /api/v3/pet: Add a new pet public: true" in text
    assert "$${HOME}" not in text
    spec = loaded((GOLDEN / "library.txt").read_text("utf-8"), tmp_path)
    assert spec.routes[0].owner == 'Team "Books"'
