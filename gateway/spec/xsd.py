"""The types of a contract, as far as JSON can hold what they say.

The problem: JSON has objects, lists, texts, numbers and truth values; XML Schema has order, choices, attributes,
repeated groups, mixed text and wildcards. A mapping that guesses loses data in silence. The rule: what has one obvious
form in JSON is mapped (the table is in docs/mediation.md), everything else is a mistake when the configuration is read.
(W3C XML Schema Part 1 and 2.) Whether a message is valid is not judged here: libxml2 does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.spec.contract import XSD, qualified
from gateway.spec.xsd_simple import BUILTINS, Simple, restricted

if TYPE_CHECKING:
    from lxml import etree

MAX_NESTING: Final = 50
_COMPONENTS: Final = ("element", "complexType", "simpleType", "group", "attribute", "attributeGroup")
_TEXT: Final = "value"
"""The member for the text of an element that has attributes besides."""


@dataclass(frozen=True)
class Field:
    """An element or an attribute of a complex type: one member of its JSON object."""

    name: str
    tag: str
    """As `{namespace}name`."""
    type: Simple | Complex
    required: bool = True
    most: int | None = 1
    """How often it may occur; None for no limit."""
    nillable: bool = False
    attribute: bool = False
    text: bool = False
    """Whether it is the text of the element itself."""

    @property
    def many(self) -> bool:
        """Whether it is a list in JSON."""
        return self.most != 1


@dataclass(eq=False)
class Complex:
    """An object in JSON. Its fields are filled in after it was made: types may hold themselves."""

    name: str
    """Local name; empty for a type without one."""
    fields: dict[str, Field] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Complex {self.name} {list(self.fields)}>"


class Types:
    """The components of all schemas of a contract, resolved when they are asked for."""

    def __init__(self, schemas: tuple[etree._Element, ...]) -> None:
        self._found: dict[tuple[str, str], etree._Element] = {}
        self._known: dict[str, Complex] = {}
        for schema in schemas:
            target = schema.get("targetNamespace", "")
            for node in schema:
                kind = str(node.tag).removeprefix(XSD)
                if kind in _COMPONENTS and node.get("name"):
                    self._found[kind, f"{{{target}}}{node.get('name')}" if target else node.get("name", "")] = node

    def element(self, name: str) -> Field:
        """A global element, by `{namespace}name`.

        Raises:
            ValueError: there is none, or something in it has no form in JSON.
        """
        return self._element(self._find("element", name), 1, 1)

    def _find(self, kind: str, name: str) -> etree._Element:
        node = self._found.get((kind, name))
        if node is None:
            raise ValueError(f"the contract's types have no {kind} {_local(name)}")
        return node

    # -- elements and attributes -----------------------------------------------------------------------------

    def _element(self, node: etree._Element, least: int, most: int | None, required: bool = True) -> Field:
        if node.get("ref"):
            node = self._find("element", qualified(node, node.get("ref", "")))
            tag = _global_tag(node)
        else:
            tag = _tag(node, "elementFormDefault")
        if node.get("abstract") == "true" or node.get("substitutionGroup"):
            raise ValueError(f"element {node.get('name')} stands for others (substitution): JSON has no form for it")
        kind = self._type(node)
        return Field(node.get("name", ""), tag, kind, required and least > 0, most, node.get("nillable") in _TRUE)

    def _attribute(self, node: etree._Element) -> Field | None:
        use = node.get("use")
        if use == "prohibited":
            return None
        if node.get("ref"):
            node = self._find("attribute", qualified(node, node.get("ref", "")))
            tag = _global_tag(node)
        else:
            tag = _tag(node, "attributeFormDefault")
        kind = self._type(node, BUILTINS["string"])
        if isinstance(kind, Complex):
            raise ValueError(f"attribute {node.get('name')} has no simple type")
        return Field(node.get("name", ""), tag, kind, use == "required", attribute=True)

    # -- types -----------------------------------------------------------------------------------------------

    def _type(self, node: etree._Element, default: Simple | None = None) -> Simple | Complex:
        """The type that an element or attribute names or holds."""
        if node.get("type"):
            return self._named(qualified(node, node.get("type", "")))
        for child in node:
            if child.tag == f"{XSD}complexType":
                return self._complex(child, Complex(""))
            if child.tag == f"{XSD}simpleType":
                return self._simple(child)
        if default is None:
            raise ValueError(f"element {node.get('name')} says no type: anything could stand in it")
        return default

    def _named(self, name: str) -> Simple | Complex:
        if name.startswith(XSD):
            return _builtin(name)
        if name in self._known:
            return self._known[name]
        if ("complexType", name) in self._found:
            known = self._known[name] = Complex(_local(name))
            return self._complex(self._found["complexType", name], known)
        return self._simple(self._find("simpleType", name))

    def _simple(self, node: etree._Element) -> Simple:
        for child in node:
            if child.tag == f"{XSD}restriction":
                return restricted(self._base(child, "base"), child)
            if child.tag == f"{XSD}list":
                item = self._base(child, "itemType")
                if item.item is not None:
                    raise ValueError("a list of lists has no form in JSON")
                return Simple("list", "array", {}, item=item)
            if child.tag == f"{XSD}union":
                return BUILTINS["string"]  # JSON cannot say which of them; the text itself is always right
        raise ValueError(f"simple type {node.get('name')} says nothing")

    def _base(self, node: etree._Element, attribute: str) -> Simple:
        if node.get(attribute):
            found = self._named(qualified(node, node.get(attribute, "")))
        else:
            inner = node.find(f"{XSD}simpleType")
            found = self._simple(inner) if inner is not None else BUILTINS["string"]
        if isinstance(found, Complex):
            raise ValueError(f"type {found.name} is no simple type")
        return found

    def _complex(self, node: etree._Element, made: Complex) -> Complex:
        if node.get("mixed") in _TRUE:
            raise ValueError(f"type {node.get('name') or ''} mixes text and elements: JSON has no form for it")
        if node.get("abstract") in _TRUE:
            raise ValueError(f"type {node.get('name')} stands for others (abstract): JSON has no form for it")
        for one in self._fields(node):
            if one.name in made.fields:
                raise ValueError(f'two parts of type {made.name or "without name"} are called "{one.name}"')
            made.fields[one.name] = one
        return made

    def _fields(self, node: etree._Element) -> Iterator[Field]:
        for child in node:
            kind = str(child.tag).removeprefix(XSD)
            if kind in ("sequence", "all", "choice", "group"):
                yield from self._particle(child, True)
            elif kind == "attribute":
                found = self._attribute(child)
                yield from (found,) if found is not None else ()
            elif kind == "attributeGroup":
                yield from self._fields(self._find("attributeGroup", qualified(child, child.get("ref", ""))))
            elif kind == "simpleContent":
                yield from self._simple_content(child[0])
            elif kind == "complexContent":
                yield from self._complex_content(child[0], child)

    def _simple_content(self, node: etree._Element) -> Iterator[Field]:
        base = self._named(qualified(node, node.get("base", "")))
        if isinstance(base, Complex):
            yield from base.fields.values()
        else:
            yield Field(_TEXT, "", base, text=True)
        yield from self._fields(node)

    def _complex_content(self, node: etree._Element, around: etree._Element) -> Iterator[Field]:
        if around.get("mixed") in _TRUE or qualified(node, node.get("base", "")) == f"{XSD}anyType":
            raise ValueError("anything could stand in a part of type xs:anyType: JSON has no form for it")
        base = self._named(qualified(node, node.get("base", "")))
        inherited = base.fields.values() if isinstance(base, Complex) else ()
        if node.tag == f"{XSD}extension":
            yield from inherited
            yield from self._fields(node)
        else:  # a restriction says all elements again; attributes it does not mention stay
            said = list(self._fields(node))
            yield from said
            yield from (one for one in inherited if one.attribute and one.name not in {two.name for two in said})

    def _particle(self, node: etree._Element, required: bool, level: int = 0) -> Iterator[Field]:
        """The elements of a sequence, a choice, or a group of them, in their order."""
        if level > MAX_NESTING:
            raise ValueError("groups hold themselves")
        if node.tag == f"{XSD}any":
            raise ValueError("anything could stand at an xs:any: JSON has no form for it")
        least, most = _occurs(node)
        if node.tag == f"{XSD}element":
            yield self._element(node, least, most, required)
            return
        children = [one for one in self._inside(node) if one.tag in _PARTICLES]
        required = required and least > 0 and not (node.tag == f"{XSD}choice" and len(children) > 1)
        found = [one for child in children for one in self._particle(child, required, level + 1)]
        if most != 1 and len(found) > 1:
            raise ValueError(
                f"elements {found[0].name}, {found[1].name}, … are repeated as a group: order would be lost"
            )
        for one in found:
            times = None if most is None or one.most is None else most * one.most
            yield Field(one.name, one.tag, one.type, one.required, times, one.nillable)

    def _inside(self, node: etree._Element) -> etree._Element:
        """The node itself, or the group that it names."""
        if node.tag == f"{XSD}group" and node.get("ref"):
            return self._find("group", qualified(node, node.get("ref", "")))
        return node


_TRUE: Final = ("true", "1")
_PARTICLES: Final = tuple(f"{XSD}{name}" for name in ("element", "sequence", "all", "choice", "group", "any"))


def _builtin(name: str) -> Simple:
    found = BUILTINS.get(_local(name))
    if found is None:
        raise ValueError(f"xs:{_local(name)} has no form in JSON")
    return found


def _occurs(node: etree._Element) -> tuple[int, int | None]:
    most = node.get("maxOccurs", "1")
    return int(node.get("minOccurs", "1")), None if most == "unbounded" else int(most)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _schema(node: etree._Element) -> etree._Element:
    """The schema that a node stands in."""
    return next(node.iterancestors(f"{XSD}schema"))


def _global_tag(node: etree._Element) -> str:
    target = _schema(node).get("targetNamespace", "")
    return f"{{{target}}}{node.get('name')}" if target else node.get("name", "")


def _tag(node: etree._Element, default: str) -> str:
    """The name in messages: global ones always have their namespace, local ones where the schema says so."""
    parent = node.getparent()
    if parent is not None and parent.tag == f"{XSD}schema":
        return _global_tag(node)
    form = node.get("form", _schema(node).get(default, "unqualified"))
    return _global_tag(node) if form == "qualified" else node.get("name", "")
