import pytest
from lxml import etree

from sample_services.kit.problems import Problem
from sample_services.profiles.soap.envelope import SOAP, build, content, fault, wrap

_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"


def _envelope(inside: str, namespace: str = SOAP) -> etree._Element:
    return etree.fromstring(f'<s:Envelope xmlns:s="{namespace}">{inside}</s:Envelope>')


def test_the_body_has_one_element() -> None:
    assert content(_envelope("<s:Body><a/></s:Body>")).tag == "a"
    assert content(_envelope("<s:Header><x/></s:Header><s:Body> <a/> </s:Body>")).tag == "a"


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<s:Header/>",
        "<s:Body/>",
        "<s:Body><a/><b/></s:Body>",
        "<s:Body><a/></s:Body><b/>",
        "<s:Body><a/></s:Body><s:Header/>",
        "<s:Body><a/></s:Body><s:Body><b/></s:Body>",
        "<Body><a/></Body>",
    ],
)
def test_other_shapes_are_refused(inside: str) -> None:
    with pytest.raises(Problem, match=r"^400 not_an_envelope"):
        content(_envelope(inside))


def test_something_else_than_an_envelope_is_refused() -> None:
    with pytest.raises(Problem, match="not_an_envelope"):
        content(etree.fromstring("<html><Body/></html>"))


def test_soap_12_is_another_version() -> None:
    with pytest.raises(Problem, match="soap_version_mismatch"):
        content(_envelope("<s:Body><a/></s:Body>", "http://www.w3.org/2003/05/soap-envelope"))


@pytest.mark.parametrize("actor", ["", f's:actor="{_NEXT}"'])
def test_a_mandatory_header_for_us_is_not_overlooked(actor: str) -> None:
    header = f'<s:Header><x s:mustUnderstand="1" {actor}/></s:Header>'
    with pytest.raises(Problem, match="header_not_understood"):
        content(_envelope(header + "<s:Body><a/></s:Body>"))


def test_headers_for_others_are_theirs() -> None:
    header = '<s:Header><x s:mustUnderstand="1" s:actor="urn:other"/><y s:mustUnderstand="0"/></s:Header>'
    assert content(_envelope(header + "<s:Body><a/></s:Body>")).tag == "a"


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (403, "not_owner", "soap:Client"),
        (503, "keys_unavailable", "soap:Server"),
        (400, "soap_version_mismatch", "soap:VersionMismatch"),
        (400, "header_not_understood", "soap:MustUnderstand"),
    ],
)
def test_a_fault_says_whose_fault_it_was(status: int, reason: str, code: str) -> None:
    root = etree.fromstring(wrap(fault(status, reason, "because", "ab" * 16)))
    found = root[0][0]
    assert [child.tag for child in found] == ["faultcode", "faultstring", "detail"]
    assert found[0].text == code
    assert found[0].nsmap["soap"] == SOAP
    assert [child.text for child in found[2][0]] == [str(status), reason, "ab" * 16]


def test_text_cannot_become_markup() -> None:
    answer = wrap(build("a", "</a><b/>&x;"))
    assert etree.fromstring(answer)[0][0].text == "</a><b/>&x;"
    with pytest.raises(ValueError, match="XML compatible"):
        build("a", "\x00")
