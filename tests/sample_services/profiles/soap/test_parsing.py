"""What the parser lets pass, and what it refuses before anything is built."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from sample_services.kit.problems import Problem
from sample_services.profiles.soap import parsing

_LAUGHS = b"".join(b'<!ENTITY %c "%s">' % (letter + 1, b"&%c;" % letter * 10) for letter in range(ord("a"), ord("t")))
BOMB = b'<!DOCTYPE x [<!ENTITY a "ha">' + _LAUGHS + b']><x y="&t;">&t;</x>'


def _reason(document: bytes) -> tuple[int, str]:
    with pytest.raises(Problem) as refused:
        parsing.parse(document)
    return refused.value.status, refused.value.reason


def test_a_document_becomes_a_tree() -> None:
    root = parsing.parse(b'<?xml version="1.0"?>\n<a xmlns="urn:x" b="1"><c>text &lt;&#233; <![CDATA[<d>]]></c></a>')
    assert root.tag == "{urn:x}a"
    assert root[0].text == "text <é <d>"


def test_comments_leave_the_text_whole() -> None:
    assert parsing.parse(b"<a>ad<!-- -->min</a>").text == "admin"


@pytest.mark.parametrize(
    "document",
    [
        b"<!DOCTYPE a><a/>",
        b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ATTLIST a role CDATA "admin">]><a/>',
        BOMB,
    ],
)
def test_document_types_are_refused(document: bytes) -> None:
    assert _reason(document) == (400, "dtd_forbidden")


def test_a_bomb_is_refused_before_it_explodes() -> None:
    started = time.process_time()
    assert _reason(BOMB) == (400, "dtd_forbidden")
    assert time.process_time() - started < 0.1


def test_no_address_in_a_document_is_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = b"http://127.0.0.1:%d/" % server.getsockname()[1]
        for attack in (b'[<!ENTITY %% x SYSTEM "%s"> %%x;]', b'SYSTEM "%s"', b'[<!ENTITY x SYSTEM "%s">]'):
            _reason(b"<!DOCTYPE a " + attack % address + b"><a>&x;</a>")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_no_file_is_read_by_xinclude(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    include = f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{secret}" parse="text"/>'
    root = parsing.parse(f"<a>{include}</a>".encode())
    assert "s3cret" not in "".join(map(str, root.itertext()))


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        (b"<a>" * 33 + b"</a>" * 33, (400, "too_deep")),
        (b"<a>" * 20_000, (400, "too_deep")),
        (b"<a>" + b" " * parsing.MAX_BYTES + b"</a>", (413, "too_large")),
        (b"<?php evil ?><a/>", (400, "processing_instruction_forbidden")),
        (b"<a><?x y?></a>", (400, "processing_instruction_forbidden")),
        (b"", (400, "malformed_xml")),
        (b"<a>", (400, "malformed_xml")),
        (b"<a></b>", (400, "malformed_xml")),
        (b"<a/><a/>", (400, "malformed_xml")),
        (b"<a>&nbsp;</a>", (400, "malformed_xml")),
        (b"<a>&#0;</a>", (400, "malformed_xml")),
        (b"<a>\xff</a>", (400, "malformed_xml")),
        (b'<a b="1" b="2"/>', (400, "malformed_xml")),
        ("<a/>".encode("utf-16"), (400, "malformed_xml")),
        ("<a>\x85</a>".encode("cp500"), (400, "malformed_xml")),
    ],
)
def test_what_else_is_refused(document: bytes, refusal: tuple[int, str]) -> None:
    assert _reason(document) == refusal


def test_the_deepest_allowed_passes() -> None:
    parsing.parse(b"<a>" * 32 + b"</a>" * 32)
