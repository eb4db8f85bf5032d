"""A contract, ready to hold requests and answers to: operations, and what each of them takes and gives.

The problem: several routes name the same document, and a validator of each schema of a large one would take megabytes
in every worker. The rule: a contract is made ready once for all filters that want the same of it, and each validator
when the first value comes that it must judge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from gateway.filters.field_list import FieldLists, Place
from gateway.filters.openapi_parameters import Parameter
from gateway.filters.schema_engine import Schema, compiled
from gateway.spec.openapi.paths import Paths
from gateway.spec.openapi.terms import in_place, parts, reachable


class Content(NamedTuple):
    """What a body of one media type must be."""

    schema: Schema | None
    """None: nothing is said of it."""
    fields: Place | None
    """The allow-list of its fields; None: it has nothing to say."""


class Want(NamedTuple):
    """What a filter wants of a contract besides what the document says."""

    strict: bool
    strip: bool


class Bodies:
    """The media types of one body, as a document lists them."""

    def __init__(self, told: Mapping[str, Any], api: Api, *, request: bool) -> None:
        self.kinds = tuple(told)
        self._told = told
        self._api = api
        self._request = request
        self._made: dict[str, Content] = {}

    def of(self, kind: str) -> Content | None:
        """What the document says of a media type, the most exact entry first; None if nothing."""
        for name in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
            if name in self._told:
                if name not in self._made:
                    self._made[name] = self._api.content(self._told[name], request=self._request)
                return self._made[name]
        return None


@dataclass(frozen=True)
class Answer:
    """One kind of answer: None as its content says that it has none."""

    content: Bodies | None
    headers: tuple[Parameter, ...]


class Operation:
    """One operation of the document."""

    def __init__(self, told: Mapping[str, Any], api: Api) -> None:
        self.name: str = told["name"]
        self.method: str = told["method"]
        self.path: str = told["path"]
        self._told = told
        self._api = api

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it takes in its address, headers and cookies."""
        return tuple(map(self._api.parameter, self._told["parameters"]))

    @cached_property
    def query_names(self) -> frozenset[str]:
        """The names that its query may have."""
        in_query = [one for one in self.parameters if one.where == "query"]
        return frozenset(self._api.keys).union(*(one.names for one in in_query))

    @cached_property
    def query_prefixes(self) -> tuple[str, ...]:
        """How the names of fields begin that its query may have (style deepObject)."""
        return tuple(one.prefix for one in self.parameters if one.prefix)

    @property
    def body_required(self) -> bool:
        """Whether it cannot be asked without a body."""
        return bool(self._told["body"] and self._told["body"]["required"])

    @cached_property
    def body(self) -> Bodies | None:
        """What its body may be; None: it takes none."""
        told = self._told["body"]
        return Bodies(told["content"], self._api, request=True) if told else None

    @cached_property
    def _answers(self) -> dict[str, Answer]:
        return {
            status: Answer(
                None if told["content"] is None else Bodies(told["content"], self._api, request=False),
                tuple(map(self._api.parameter, told["headers"])),
            )
            for status, told in self._told["answers"].items()
        }

    def answer(self, status: int) -> Answer | None:
        """What it may answer with this status: the exact one, its class, or the default."""
        text = str(status)
        for key in (text, f"{text[0]}XX", "default"):
            if key in self._answers:
                return self._answers[key]
        return None


class Api:
    """A whole contract."""

    def __init__(self, text: str, want: Want) -> None:
        told = json.loads(text)
        self.base: str = told["base"]
        self.keys: list[str] = told["keys"]
        self._definitions: dict[str, Any] = told["definitions"]
        self.operations: dict[str, dict[str, Operation]] = {}
        """By path template and method."""
        for one in told["operations"]:
            self.operations.setdefault(one["path"], {})[one["method"]] = Operation(one, self)
        self.paths = Paths(self.operations)
        self._to_service = _required(self._definitions, "readOnly")
        self._to_client = _required(self._definitions, "writeOnly")
        self._lists = {
            True: FieldLists(self._to_service, "readOnly", _names, strict=want.strict, closes=False),
            False: FieldLists(self._to_client, "writeOnly", _names, strict=want.strict, closes=want.strip),
        }
        self.want = want

    def parameter(self, told: Mapping[str, Any]) -> Parameter:
        """A parameter, ready to be read."""
        return Parameter(told, self._schema(told["schema"], self._definitions), self._definitions)

    def content(self, schema: Any, *, request: bool) -> Content:
        """What a body of this schema must be, in this direction."""
        if schema is None:
            return Content(None, None)
        definitions = self._to_service if request else self._to_client
        flag = "readOnly" if request else "writeOnly"
        own = _without_required(schema, definitions, flag) if _has(schema, flag) else schema
        return Content(self._schema(own, definitions), self._lists[request].of(own))

    def _schema(self, schema: Any, definitions: Mapping[str, Any]) -> Schema:
        return Schema(schema, reachable(schema, definitions))


_shared: Final[WeakValueDictionary[tuple[str, Want], Api]] = WeakValueDictionary()


def api_of(text: str, want: Want) -> Api:
    """The contract, ready; the same one for all that want the same."""
    found = _shared.get((text, want))
    if found is None:
        found = _shared[text, want] = Api(text, want)
    return found


def _names(pattern: str) -> Any:
    return compiled({"pattern": pattern})


def _has(schema: Any, flag: str) -> bool:
    return any(one.get(flag) is True for one in parts(schema))


def _required(definitions: Mapping[str, Any], flag: str) -> Mapping[str, Any]:
    """The definitions for one direction: what is not to be sent cannot be required (OpenAPI 3.1.1, 4.8.24.3)."""
    if not any(_has(one, flag) for one in definitions.values()):
        return definitions
    return {name: _without_required(one, definitions, flag) for name, one in definitions.items()}


def _without_required(
    schema: Any, definitions: Mapping[str, Any], flag: str, dropped: frozenset[str] = frozenset()
) -> Any:
    """A copy in which no field is required that carries the flag."""
    if not isinstance(schema, dict):
        return schema
    dropped |= _flagged(schema, definitions, flag)
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "required":
            made[key] = [name for name in value if name not in dropped]
        elif key in ("allOf", "anyOf", "oneOf"):
            made[key] = [_without_required(one, definitions, flag, dropped) for one in value]
        elif key in ("if", "then", "else"):
            made[key] = _without_required(value, definitions, flag, dropped)
        elif key in ("properties", "patternProperties", "dependentSchemas"):
            made[key] = {name: _without_required(one, definitions, flag) for name, one in value.items()}
        elif key in ("items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems"):
            made[key] = _without_required(value, definitions, flag)
        else:
            made[key] = value
    return made


def _flagged(schema: Any, definitions: Mapping[str, Any], flag: str) -> frozenset[str]:
    """The fields of a schema that carry the flag, also those of the schemas that it is put together from."""
    fields = [pair for one in in_place(schema, definitions) for pair in one.get("properties", {}).items()]
    return frozenset(name for name, one in fields if any(part.get(flag) is True for part in in_place(one, definitions)))
