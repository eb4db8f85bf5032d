"""Which types of a contract have a form in JSON, and what is said of the others."""

from __future__ import annotations

import pytest
from lxml import etree

from gateway.spec.xsd import Complex, Field, Types
from gateway.spec.xsd_schema import Schemas

HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t"'


def element(inside: str, more: str = "", form: str = "qualified") -> Field:
    """The element `e`, whose complex type holds `inside`."""
    text = f'{HEAD} elementFormDefault="{form}">{more}<xs:element name="e"><xs:complexType>{inside}</xs:complexType>'
    return Types((etree.fromstring(f"{text}</xs:element></xs:schema>"),)).element("{urn:t}e")


def fields(one: Field) -> list[tuple[str, bool, int | None]]:
    assert isinstance(one.type, Complex)
    return [(each.name, each.required, each.most) for each in one.type.fields.values()]


def sequence(inside: str, occurs: str = "") -> str:
    return f"<xs:sequence {occurs}>{inside}</xs:sequence>"


A = '<xs:element name="a" type="xs:string"/>'
B = '<xs:element name="b" type="xs:int" minOccurs="0"/>'


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (sequence(A + B), [("a", True, 1), ("b", False, 1)]),
        (f"<xs:all>{B}{A}</xs:all>", [("b", False, 1), ("a", True, 1)]),
        (f"<xs:choice>{A}{B}</xs:choice>", [("a", False, 1), ("b", False, 1)]),
        (f"<xs:choice>{A}</xs:choice>", [("a", True, 1)]),
        (sequence(A, 'minOccurs="0"'), [("a", False, 1)]),
        (sequence(A, 'maxOccurs="3"'), [("a", True, 3)]),
        (sequence(A.replace("/>", ' maxOccurs="2"/>'), 'maxOccurs="3"'), [("a", True, 6)]),
        (sequence(A, 'maxOccurs="unbounded"'), [("a", True, None)]),
        (sequence(sequence(A) + sequence(B)), [("a", True, 1), ("b", False, 1)]),
        ('<xs:attribute name="x"/><xs:attribute name="y" use="required"/>', [("x", False, 1), ("y", True, 1)]),
        ('<xs:attribute name="x" use="prohibited"/>', []),
        ("", []),
    ],
)
def test_order_and_number(inside: str, expected: list[tuple[str, bool, int | None]]) -> None:
    assert fields(element(inside)) == expected


def test_groups_and_references() -> None:
    more = (
        f'<xs:group name="g">{sequence(A)}</xs:group><xs:attributeGroup name="h"><xs:attribute name="x"/>'
        '</xs:attributeGroup><xs:element name="r" type="xs:string"/>'
    )
    inside = sequence('<xs:group ref="t:g"/><xs:element ref="t:r"/>') + '<xs:attributeGroup ref="t:h"/>'
    assert [name for name, _, _ in fields(element(inside, more))] == ["a", "r", "x"]


@pytest.mark.parametrize(("form", "tag"), [("qualified", "{urn:t}a"), ("unqualified", "a")])
def test_local_elements_have_the_namespace_that_the_schema_says(form: str, tag: str) -> None:
    one = element(sequence(A), form=form)
    assert isinstance(one.type, Complex)
    assert (one.tag, one.type.fields["a"].tag) == ("{urn:t}e", tag)


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (sequence("<xs:any/>"), "xs:any"),
        (sequence('<xs:element name="a" type="xs:anyType"/>'), "xs:anyType has no form"),
        (sequence('<xs:element name="a"/>'), "says no type"),
        (sequence('<xs:element name="a" type="t:none"/>'), "no simpleType none"),
        (sequence('<xs:element ref="t:none"/>'), "no element none"),
        (sequence(A + B, 'maxOccurs="2"'), "a, b, … are repeated as a group"),
        (f'<xs:choice maxOccurs="unbounded">{A}{B}</xs:choice>', "are repeated as a group"),
        (sequence(A + A), 'called "a"'),
        (sequence(A) + '<xs:attribute name="a"/>', 'called "a"'),
        (sequence('<xs:group ref="t:loop"/>'), "groups hold themselves"),
        (sequence('<xs:element name="a" type="t:abstract"/>'), "abstract"),
        (sequence('<xs:element name="a" type="t:mixed"/>'), "mixes text and elements"),
        (sequence('<xs:element ref="t:head"/>'), "substitution"),
        ('<xs:complexContent><xs:extension base="xs:anyType"/></xs:complexContent>', "xs:anyType"),
    ],
)
def test_what_has_no_form_in_json_is_told(inside: str, said: str) -> None:
    more = (
        '<xs:complexType name="abstract" abstract="true"/><xs:complexType name="mixed" mixed="true"/>'
        '<xs:element name="head" abstract="true" type="xs:string"/>'
        '<xs:group name="loop"><xs:sequence><xs:group ref="t:loop"/></xs:sequence></xs:group>'
    )
    with pytest.raises(ValueError, match=said):
        element(inside, more)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ('<xs:restriction base="xs:string"><xs:length value="3"/></xs:restriction>', {"minLength": 3, "maxLength": 3}),
        ('<xs:restriction base="xs:string"><xs:pattern value="a"/><xs:pattern value="b"/></xs:restriction>',
         {"pattern": "^(?:a|b)$"}),
        (r'<xs:restriction base="xs:string"><xs:pattern value="\i\c*"/></xs:restriction>', {}),
        ('<xs:restriction base="xs:string"><xs:pattern value="[a-z-[aeiou]]"/></xs:restriction>', {}),
        ('<xs:restriction base="xs:token"><xs:maxLength value="3"/></xs:restriction>', {"description": "xs:token"}),
        ('<xs:restriction base="xs:byte"><xs:minExclusive value="0"/></xs:restriction>',
         {"type": "integer", "minimum": -128, "maximum": 127, "exclusiveMinimum": 0}),
        ('<xs:restriction base="xs:decimal"><xs:minInclusive value="0.5"/></xs:restriction>', {"type": "number"}),
        ('<xs:union memberTypes="xs:int xs:string"/>', {}),
    ],
)  # fmt: skip
def test_json_schema_says_no_more_than_the_contract(kind: str, expected: dict[str, object]) -> None:
    one = element(sequence(f'<xs:element name="a"><xs:simpleType>{kind}</xs:simpleType></xs:element>'))
    assert isinstance(one.type, Complex)
    assert Schemas().field(one.type.fields["a"]) == {"type": "string"} | expected


def test_two_types_of_one_name_are_two_components() -> None:
    schemas = Schemas()
    assert [schemas.object(Complex("A")), schemas.object(Complex("A"))] == [
        {"$ref": "#/components/schemas/A"},
        {"$ref": "#/components/schemas/A2"},
    ]
