"""What is read from an OpenAPI document, and which documents are refused, with the line."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from gateway.compile.load import load_spec
from gateway.compile.table import filter_types
from gateway.spec.errors import SpecError, SpecErrors
from gateway.spec.openapi import contract
from gateway.spec.openapi.contract import read_contract
from gateway.spec.restore import restore, sent
from gateway.spec.validation import OpenApiValidation

HEAD = "openapi: 3.1.0\n"
PATH = "paths:\n  /a:\n    get:\n"
GET = HEAD + PATH
ONE = "{name: p, in: query, schema: {$ref: '#/components/schemas/One'}}"


def told(folder: Path, text: str, name: str = "api.yaml") -> tuple[str, ...]:
    (folder / name).write_text(text)
    return read_contract(str(folder / name)).mistakes


def schema(text: str, version: str = "3.1.0") -> str:
    """A document with one schema, which begins on line 6."""
    head = f"openapi: {version}\npaths: {{/a: {{get: {{parameters: [{ONE}]}}}}}}\ncomponents:\n  schemas:\n    One:\n"
    return head + indent(dedent(text), " " * 6)


def read(folder: Path, text: str, version: str = "3.1.0") -> Any:
    """The schema as workers get it."""
    assert told(folder, schema(text, version)) == ()
    return json.loads(read_contract(str(folder / "api.yaml")).text)["definitions"]["One"]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "api.yaml:1: the file is empty"),
        ("[1]", "api.yaml is no OpenAPI document: it is not a mapping"),
        ("a: [", "api.yaml:2: not valid YAML"),
        ("{", "api.yaml:1: not valid JSON"),
        ('{"a": 1, "a": 2}', "api.yaml: the member 'a' stands twice in one object"),
        ("a: 1\na: 2", 'api.yaml:2: duplicate key "a"'),
        ("swagger: '2.0'", "api.yaml:1: it has no `openapi`"),
        ("openapi: 3.2.0\n" + PATH, "api.yaml:1: OpenAPI 3.2.0: documents of OpenAPI 3.1 and 3.0 are read"),
        (HEAD, "api.yaml:1: it has no paths"),
        (HEAD + "jsonSchemaDialect: x\n" + PATH, "api.yaml:2: schemas of another dialect"),
        (HEAD + "paths:\n  a: {}", 'api.yaml:3: a path begins with "/"'),
        (HEAD + 'paths:\n  "/a/{": {}', "api.yaml:3: a brace without its partner"),
        (HEAD + 'paths:\n  "/{a}-{b}": {}', "api.yaml:3: one segment of a path holds at most one parameter"),
        (HEAD + 'paths:\n  "/{a}/{a}": {}', "api.yaml:3: a parameter stands twice"),
        (HEAD + 'paths:\n  "/{a}": {}\n  "/{b}": {}', "api.yaml:4: /{a} and /{b} are the same path"),
        (HEAD + 'paths:\n  "/{a}":\n    get: {}', "api.yaml:4: path parameter 'a' stands in the path or in parameters"),
        (GET + "      parameters: [{name: b, in: path, schema: {}}]", "path parameter 'b' stands in the"),
        (GET + "      parameters: [{name: b, in: body, schema: {}}]", "api.yaml:5: a parameter has a name"),
        (GET + "      parameters: [{name: b, in: query}]", "api.yaml:5: a parameter has a schema, or content"),
        (GET + "      parameters: [{name: b, in: query, style: x, schema: {}}]", "'x' is no style for query"),
        (GET + "      parameters: [{name: b, in: query, content: {text/xml: {}}}]", "read as application/json"),
        (GET + "      parameters:\n" + "        - {name: b, in: query, schema: {}}\n" * 2, ":7: parameter 'b' is"),
        (GET + "      parameters: [{$ref: 'other.yaml#/x'}]", "leads out of this file: nothing is fetched"),
        (GET + "      parameters: [{$ref: '#/x'}]", "'#/x' leads to nothing"),
        (HEAD + PATH + "      responses:\n        ok: {}", "api.yaml:6: an answer is named by its status"),
        (HEAD + PATH + "      requestBody: {}", "api.yaml:5: expected media types"),
        (HEAD + PATH + "      requestBody: 5", "api.yaml:5: expected a mapping"),
        (HEAD + "paths:\n  /a: {$ref: '#/paths/~1a'}", "references that lead to references without end"),
        (HEAD + PATH + "      operationId: x\n    put: {operationId: x}", "operationId 'x' is given twice"),
    ],
)  # fmt: skip
def test_documents_that_are_refused(tmp_path: Path, text: str, mistake: str) -> None:
    assert any(mistake in one for one in told(tmp_path, text)), told(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("maxLenght: 5", "api.yaml:6: 'maxLenght' is no keyword, so it would check nothing; did you mean maxLength?"),
        ("zzz: 5", "api.yaml:6: 'zzz' is no keyword, so it would check nothing; extensions begin with x-"),
        ("type: strin", "api.yaml:6: not a schema"),
        ("properties: {a: {minimum: x}}", "api.yaml:6: not a schema"),
        ("properties: 5", "api.yaml:6: properties holds a mapping of schemas"),
        ("allOf: {}", "api.yaml:6: allOf holds a list of schemas"),
        ("items: 5", "api.yaml:6: a schema is a mapping"),
        ("pattern: '(?=a)b'", "api.yaml:6: '(?=a)b' is no expression of a linear-time engine"),
        (r"pattern: '(a)\1'", "is no expression of a linear-time engine"),
        ("pattern: '[a'", "is no expression of a linear-time engine"),
        ("pattern: '((a{1000}){1000}){1000}'", "is no expression of a linear-time engine"),
        ("patternProperties: {'(?!a)': {}}", "is no expression of a linear-time engine"),
        ("$ref: 'http://127.0.0.1:1/x.json'", "api.yaml:6: 'http://127.0.0.1:1/x.json' leads out of this file"),
        ("$ref: '/etc/passwd'", "leads out of this file"),
        ("$ref: '#/components/schemas/Two'", "leads to nothing"),
        ("$dynamicRef: '#x'", "$dynamicRef is not supported"),
        ("$id: http://x.test/", "$id is not supported"),
        ("oneOf: []\ndiscriminator: {}", "api.yaml:7: a discriminator names a field in propertyName"),
        (
            "unevaluatedProperties: false\nanyOf: [{properties: {a: {$ref: '#/components/schemas/One'}}}]",
            "api.yaml:6: unevaluatedProperties (or -Items) in a schema that holds itself takes time",
        ),
    ],
)
def test_schemas_that_are_refused(tmp_path: Path, text: str, mistake: str) -> None:
    found = told(tmp_path, schema(text))
    assert any(mistake in one for one in found), found


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = schema("a1: 1\nproperties:\n  b:\n    c1: 1")
    assert [one.split(":")[1] for one in told(tmp_path, text)] == ["6", "9"]


def test_of_a_json_document_the_place_is_told(tmp_path: Path) -> None:
    document = {"openapi": "3.1.0", "paths": {"/a~b": {"get": {"parameters": [{"name": "b", "in": "query"}]}}}}
    (mistake,) = told(tmp_path, json.dumps(document), "api.json")
    assert mistake.startswith("api.json at #/paths/~1a~0b/get/parameters/0: a parameter has a schema")


def test_what_only_describes_is_left_out(tmp_path: Path) -> None:
    text = "title: x\ndescription: y\ndefault: 1\nexample: 1\nx-own: 1\ntype: integer\nreadOnly: true"
    assert read(tmp_path, text) == {"type": "integer", "readOnly": True}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: string\nnullable: true", {"type": ["string", "null"]}),
        ("minimum: 5\nexclusiveMinimum: true", {"exclusiveMinimum": 5}),
        ("maximum: 5\nexclusiveMaximum: false", {"maximum": 5}),
        ("type: string\nformat: byte", {"type": "string", "format": "byte"}),
        ("type: object\nproperties: {a: {type: integer, nullable: true}}", None),
    ],
)
def test_openapi_3_0(tmp_path: Path, old: str, new: Any) -> None:
    found = read(tmp_path, old, "3.0.3")
    if new is None:
        assert found["properties"]["a"] == {"type": ["integer", "null"]}
    else:
        assert {key: value for key, value in found.items() if key != "allOf"} == new


def test_in_3_0_what_stands_beside_a_reference_is_ignored(tmp_path: Path) -> None:
    text = "properties:\n  a: {$ref: '#/components/schemas/One', minimum: 5}"
    assert read(tmp_path, text, "3.0.0")["properties"]["a"] == {"$ref": "#/$defs/One"}
    assert read(tmp_path, text)["properties"]["a"] == {"$ref": "#/$defs/One", "minimum": 5}


def test_numbers_of_a_format_have_its_bounds(tmp_path: Path) -> None:
    assert read(tmp_path, "type: integer\nformat: int32")["allOf"] == [{"minimum": -(2**31), "maximum": 2**31 - 1}]


def test_a_name_is_a_component_s_once(tmp_path: Path) -> None:
    text = schema("properties: {a: {$ref: '#/components/schemas/One'}, b: {$ref: '#/components/x/One'}}")
    assert told(tmp_path, text + "\n  x: {One: {type: integer}}") == ()
    made = json.loads(read_contract(str(tmp_path / "api.yaml")).text)["definitions"]
    assert made["One"]["properties"] == {"a": {"$ref": "#/$defs/One"}, "b": {"$ref": "#/$defs/One.1"}}
    assert made["One.1"] == {"type": "integer"}


def test_a_variable_s_look_alike_stays_what_it_is(tmp_path: Path) -> None:
    assert read(tmp_path, "pattern: '^[$]{3}${HOME}?$'".replace("{HOME}", ""))["pattern"] == "^[$]{3}$?$"
    assert read(tmp_path, "enum: ['${HOME}']")["enum"] == ["${HOME}"]


def test_too_large_and_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_OPERATIONS", 1)
    assert "more than 1 operations" in told(tmp_path, HEAD + PATH + "      {}\n    put: {}")[0]
    (tmp_path / "big.yaml").write_text("#" * (4 * 1_048_576 + 1))
    assert "is larger than" in read_contract(str(tmp_path / "big.yaml")).mistakes[0]
    assert "cannot be read" in read_contract(str(tmp_path / "none.yaml")).mistakes[0]


CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["127.0.0.1:1"]}}]
routes:
  - name: all
    public: true
    backendRefs: [{{cluster: shop}}]
    filters:
      - type: OpenApiValidation
        document: {file}
"""


def mistakes(load_text: Any, text: str) -> tuple[SpecError, ...]:
    with pytest.raises(SpecErrors) as caught:
        load_text(text)
    return caught.value.errors


def test_a_mistake_in_a_document_is_one_of_the_configuration(tmp_path: Path, load_text: Any) -> None:
    (tmp_path / "api.yaml").write_text(schema("maxLenght: 5"))
    (error,) = mistakes(load_text, CONFIG.format(file=tmp_path / "api.yaml"))
    assert (error.line, error.message[:30]) == (10, "api.yaml:6: 'maxLenght' is no ")


def test_the_contract_is_no_key(tmp_path: Path, load_text: Any) -> None:
    (tmp_path / "api.yaml").write_text(HEAD + PATH + "      {}")
    (error,) = mistakes(load_text, CONFIG.format(file=tmp_path / "api.yaml") + "        contract: x\n")
    assert error.message == 'unknown key "contract"'


def test_a_chain_has_one(tmp_path: Path, load_text: Any) -> None:
    (tmp_path / "api.yaml").write_text(GET + "      {}")
    text = (
        CONFIG.format(file=tmp_path / "api.yaml")
        + f"      - {{type: OpenApiValidation, document: {tmp_path}/api.yaml}}\n"
    )
    (error,) = mistakes(load_text, text)
    assert (error.line, error.message[:30]) == (11, "an OpenApiValidation before it")


def test_a_changed_document_is_another_filter(tmp_path: Path) -> None:
    file = tmp_path / "api.yaml"
    file.write_text(HEAD + PATH + "      {}")
    spec = OpenApiValidation(document=str(file))
    before = spec.loaded()
    assert before == spec.loaded()
    file.write_text(HEAD + PATH + "      {operationId: other}")
    assert before != spec.loaded()
    assert spec.files() == (str(file),)


def test_a_contract_travels_once_however_many_routes_hold_to_it() -> None:
    spec = load_spec(Path(__file__).parents[3] / "config" / "shop.yaml", {})
    message = json.loads(json.dumps(sent(spec)))
    held = [one for route in spec.routes for one in route.filters if isinstance(one, OpenApiValidation)]
    assert sorted(message["contracts"]) == sorted({one.contract for one in held})
    assert len(held) > len(message["contracts"]) == 3
    back = restore(message, filter_types())
    assert back == spec
    kept = [one.contract for route in back.routes for one in route.filters if isinstance(one, OpenApiValidation)]
    assert len({id(one) for one in kept}) == 3
    with pytest.raises(ValueError, match="a contract is missing"):
        restore({**message, "contracts": message["contracts"][:1]}, filter_types())
