"""What is read from a WSDL, and which WSDLs are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.spec.contract import read_contract
from gateway.spec.guards import SoapGuard, SoapOperation

CONFIG = Path(__file__).parents[3] / "config"
SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t">
{inside}<xs:element name="{name}" type="xs:int"/></xs:schema>"""
WSDL = """<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" targetNamespace="urn:t">
  <wsdl:types>{types}</wsdl:types>
  <wsdl:message name="AddRequest"><wsdl:part name="p" element="t:Add"/></wsdl:message>
  <wsdl:portType name="P">
    <wsdl:operation name="Sum"><wsdl:input message="t:AddRequest"/></wsdl:operation>
  </wsdl:portType>
  <wsdl:binding name="B" type="t:P">
    <soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="Sum"><soap:operation soapAction="urn:t#Sum"/></wsdl:operation>
  </wsdl:binding>
</wsdl:definitions>"""


def write(folder: Path, types: str = "", style: str = "document", name: str = "t.wsdl") -> str:
    (folder / name).write_text(WSDL.format(types=types, style=style))
    return str(folder / name)


def schema(inside: str = "", name: str = "Add") -> str:
    return SCHEMA.format(inside=inside, name=name)


def mistake(file: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read_contract(file)
    return str(caught.value)


def test_the_shop() -> None:
    contract = read_contract(str(CONFIG / "profiles.wsdl"))
    read = contract.operations["ReadProfile"]
    assert read.action == "https://profiles.shop.example/v1/ReadProfile"
    assert read.element == "{https://profiles.shop.example/v1}ReadProfile"
    assert len(contract.operations) == 5
    assert list(contract.types) == ["https://profiles.shop.example/v1"]


def test_an_operation_may_be_called_otherwise_than_its_element(tmp_path: Path) -> None:
    contract = read_contract(write(tmp_path, schema()))
    (operation,) = contract.operations.values()
    assert (operation.name, operation.element, operation.action) == ("Sum", "{urn:t}Add", "urn:t#Sum")


def test_types_come_from_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.xsd").write_text(schema('<xs:include schemaLocation="b.xsd"/>'))
    (tmp_path / "more" / "b.xsd").write_text(schema(name="Other"))
    file = write(tmp_path, '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t">'
                 '<xs:include schemaLocation="more/a.xsd"/></xs:schema>')  # fmt: skip
    contract = read_contract(file)
    assert [Path(one).name for one in contract.files] == ["t.wsdl", "a.xsd", "b.xsd"]
    guard = SoapGuard(wsdl=file)
    assert guard.files() == contract.files
    assert list(guard.mistakes()) == []


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:1/x.xsd", "file:///etc/passwd", "../x.xsd", "/etc/passwd", "//host/x.xsd"]
)
def test_nothing_is_fetched_and_nothing_read_elsewhere(tmp_path: Path, location: str) -> None:
    (tmp_path / "x.xsd").write_text(schema())
    (tmp_path / "in").mkdir()
    file = write(tmp_path / "in", schema(f'<xs:include schemaLocation="{location}"/>'))
    assert "only files in the folder of the WSDL" in mistake(file)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.xsd").write_text(schema())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.xsd").symlink_to(tmp_path / "x.xsd")
    file = write(tmp_path / "in", schema('<xs:include schemaLocation="link.xsd"/>'))
    assert "only files in the folder" in mistake(file)


def test_what_is_no_contract(tmp_path: Path) -> None:
    assert "cannot be read" in mistake(str(tmp_path / "none.wsdl"))
    (tmp_path / "bad.wsdl").write_text("<a>")
    assert "not well-formed" in mistake(str(tmp_path / "bad.wsdl"))
    (tmp_path / "other.wsdl").write_text("<a/>")
    assert "no WSDL 1.1" in mistake(str(tmp_path / "other.wsdl"))
    assert "no document/literal binding" in mistake(write(tmp_path, style="rpc"))
    broken = schema().replace("xs:int", "xs:nothing")
    assert "types in t.wsdl are not valid" in mistake(write(tmp_path, broken))
    assert "cannot be read" in mistake(write(tmp_path, schema('<xs:include schemaLocation="gone.xsd"/>')))


def test_operations_of_the_filter_are_those_of_the_contract(tmp_path: Path) -> None:
    file = write(tmp_path, schema())

    def mistakes(**keys: object) -> list[str]:
        return [message for _, message in SoapGuard.model_validate(keys).mistakes()]

    assert mistakes(wsdl=file, operations=[SoapOperation(name="Add")]) == [
        'the contract has no operation "Add"; it has Sum'
    ]
    assert "named twice" in mistakes(wsdl=file, operations=[SoapOperation(name="Sum")] * 2)[0]
    assert "name its file" in mistakes(operations=[SoapOperation(name="Sum")])[0]
    assert "name its file" in mistakes(only_listed=True)[0]
