import asyncio
import json
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control.supervisor.socket_api import LONGEST_QUESTION, Refused, SocketApi


async def answer(question: dict[str, Any]) -> dict[str, Any]:
    if question["do"] == "fail":
        raise RuntimeError("inner detail")
    if question["do"] == "refuse":
        raise Refused("not like that")
    return {"did": question["do"]}


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "supervisor.sock"
    path.write_text("left by a killed predecessor")
    yield path
    assert not path.exists()


@pytest.fixture(autouse=True)
async def api(path: Path) -> AsyncIterator[SocketApi]:
    api = SocketApi(path, answer, "the secret")
    await api.start()
    yield api
    api.close()


async def ask(path: Path, line: bytes) -> Any:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    if b"\n" not in line:
        writer.write_eof()
    answered = await reader.read()
    writer.close()
    return json.loads(answered)


async def test_one_line_in_one_line_out(path: Path) -> None:
    assert await ask(path, b'{"do": "ps", "secret": "the secret"}\n') == {"did": "ps"}


@pytest.mark.parametrize("secret", [b"", b', "secret": ""', b', "secret": "the secre"', b', "secret": ["the secret"]'])
async def test_without_the_secret_nobody_is_answered_and_it_is_counted(
    api: SocketApi, path: Path, secret: bytes
) -> None:
    assert "needs the secret" in (await ask(path, b'{"do": "ps"' + secret + b"}\n"))["error"]
    assert api.strangers == 1


def test_only_we_may_ask(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line", [b"no json\n", b"[]\n", b'{"do": "ps"}', b"", b"\xff\xfe\n", b"x" * (LONGEST_QUESTION + 10) + b"\n"]
)
async def test_nonsense_is_answered_with_an_error(path: Path, line: bytes) -> None:
    assert "expected" in (await ask(path, line))["error"]


async def test_a_refusal_says_why_and_a_fault_does_not_tell_its_inside(path: Path) -> None:
    assert await ask(path, b'{"do": "refuse", "secret": "the secret"}\n') == {"error": "not like that"}
    assert "inner detail" not in (await ask(path, b'{"do": "fail", "secret": "the secret"}\n'))["error"]
