"""Types of a contract as JSON Schema (2020-12), for the OpenAPI document.

The rule: a complex type with a name becomes a component, so that types may hold themselves; one without a name stands
where it is used.
"""

from __future__ import annotations

from typing import Any

from gateway.spec.rest_offer import REFERENCE, Schema, nullable
from gateway.spec.xsd import Complex, Field
from gateway.spec.xsd_simple import Simple


class Schemas:
    """Collects the components."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[Complex, str] = {}

    def field(self, one: Field) -> Schema:
        """One member of an object."""
        schema = self.object(one.type) if isinstance(one.type, Complex) else self.simple(one.type)
        if one.nillable:
            schema = nullable(schema)
        if one.many:
            most = {} if one.most is None else {"maxItems": one.most}
            schema = {"type": "array", "items": schema, **most}
        return schema

    def object(self, kind: Complex) -> Schema:
        """A complex type."""
        if not kind.name:
            return self._members(kind)
        name = self._names.get(kind)
        if name is None:
            name = self._names[kind] = self._free(kind.name)
            self.components[name] = {}
            self.components[name] = self._members(kind)
        return {"$ref": REFERENCE + name}

    def simple(self, kind: Simple) -> Schema:
        """A simple type."""
        if kind.item is not None:
            return {"type": "array", "items": self.simple(kind.item)}
        return {"type": kind.json, **kind.schema}

    def _members(self, kind: Complex) -> Schema:
        members: dict[str, Any] = {"type": "object"}
        members["properties"] = {one.name: self.field(one) for one in kind.fields.values()}
        required = [one.name for one in kind.fields.values() if one.required]
        if required:
            members["required"] = required
        return {**members, "additionalProperties": False}

    def _free(self, name: str) -> str:
        number, found = 1, name
        while found in self.components:
            number += 1
            found = f"{name}{number}"
        return found
