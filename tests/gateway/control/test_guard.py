"""Who may read and who may change: the table of hostile callers."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.control.guard import CODE_SECONDS, CONSOLE_HEADER, MAX_SESSIONS, Guard
from gateway.control.problems import Problem

PORT = 9901
SECRET = "the-secret-of-this-start"
HOST = f"127.0.0.1:{PORT}"


def request(*headers: tuple[str, str], method: str = "GET") -> web.Request:
    return make_mocked_request(method, "/", headers=CIMultiDict(headers))


def reason(guard: Guard, asked: web.Request, changing: bool = False) -> str:
    try:
        guard.check_reading(asked)
        if changing:
            guard.check_changing(asked)
    except Problem as problem:
        return f"{problem.status} {problem.reason}"
    return "passed"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Host", HOST)], "passed"),
        ([("Host", f"localhost:{PORT}")], "passed"),
        ([("Host", f"LocalHost:{PORT}")], "passed"),
        ([("Host", f"[::1]:{PORT}")], "passed"),
        ([("Host", HOST), ("Origin", f"http://{HOST}")], "passed"),
        ([], "403 foreign_host"),
        ([("Host", "127.0.0.1")], "403 foreign_host"),
        ([("Host", "127.0.0.1:8088")], "403 foreign_host"),
        ([("Host", f"evil.example:{PORT}")], "403 foreign_host"),
        ([("Host", f"127.0.0.1.evil.example:{PORT}")], "403 foreign_host"),
        ([("Host", f"localhost.:{PORT}")], "403 foreign_host"),
        ([("Host", f"0.0.0.0:{PORT}")], "403 foreign_host"),
        ([("Host", f"user@127.0.0.1:{PORT}")], "403 foreign_host"),
        ([("Host", HOST), ("Host", HOST)], "403 foreign_host"),
        ([("Host", HOST), ("Origin", "null")], "403 foreign_origin"),
        ([("Host", HOST), ("Origin", "")], "403 foreign_origin"),
        ([("Host", HOST), ("Origin", "http://evil.example")], "403 foreign_origin"),
        ([("Host", HOST), ("Origin", f"https://{HOST}")], "403 foreign_origin"),
        ([("Host", HOST), ("Origin", "http://127.0.0.1:8088")], "403 foreign_origin"),
        ([("Host", HOST), ("Origin", f"http://localhost:{PORT}")], "403 foreign_origin"),
        ([("Host", HOST), ("Origin", f"http://{HOST}"), ("Origin", "http://evil")], "403 foreign_origin"),
    ],
)
def test_reading(headers: list[tuple[str, str]], expected: str) -> None:
    assert reason(Guard(PORT, SECRET), request(*headers)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Authorization", f"Bearer {SECRET}")], "passed"),
        ([("Authorization", f"bearer {SECRET}")], "passed"),
        ([], "401 secret_required"),
        ([("Authorization", f"Basic {SECRET}")], "401 secret_required"),
        ([("Authorization", SECRET)], "401 secret_required"),
        ([("Authorization", f"Bearer {SECRET}"), ("Authorization", "Bearer x")], "401 secret_required"),
        ([("Authorization", "Bearer ")], "403 wrong_secret"),
        ([("Authorization", f"Bearer {SECRET}x")], "403 wrong_secret"),
        ([("Authorization", f"Bearer {SECRET[:-1]}")], "403 wrong_secret"),
        ([("Authorization", "Bearer café")], "403 wrong_secret"),
        ([(CONSOLE_HEADER, SECRET)], "401 secret_required"),
        ([("Cookie", f"gatehouse_console_{PORT}={SECRET}"), (CONSOLE_HEADER, SECRET)], "401 secret_required"),
    ],
)
def test_changing(headers: list[tuple[str, str]], expected: str) -> None:
    asked = request(("Host", HOST), *headers, method="POST")
    assert reason(Guard(PORT, SECRET), asked, changing=True) == expected


def test_a_session_needs_cookie_and_token() -> None:
    guard = Guard(PORT, SECRET)
    cookie, token = guard.open_session(SECRET)
    other, _ = guard.open_session(SECRET)

    def outcome(*headers: tuple[str, str]) -> str:
        return reason(guard, request(("Host", HOST), *headers, method="POST"), changing=True)

    sent = ("Cookie", f"{guard.cookie}={cookie}")
    assert outcome(sent, (CONSOLE_HEADER, token)) == "passed"
    assert outcome(sent) == "401 secret_required"
    assert outcome(sent, (CONSOLE_HEADER, "")) == "401 secret_required"
    assert outcome((CONSOLE_HEADER, token)) == "401 secret_required"
    assert outcome(("Cookie", f"{guard.cookie}={other}"), (CONSOLE_HEADER, token)) == "401 secret_required"
    assert SECRET not in (cookie, token)


def test_a_code_opens_one_session_and_only_for_a_while() -> None:
    now = [0.0]
    guard = Guard(PORT, SECRET, clock=lambda: now[0])
    used, late = guard.new_code(), guard.new_code()
    guard.open_session(used)
    with pytest.raises(Problem, match="used up"):
        guard.open_session(used)
    now[0] = CODE_SECONDS + 1
    with pytest.raises(Problem, match="used up"):
        guard.open_session(late)


def test_sessions_are_bounded() -> None:
    guard = Guard(PORT, SECRET)
    first, token = guard.open_session(SECRET)
    for _ in range(MAX_SESSIONS):
        guard.open_session(SECRET)
    assert not guard.has_session(
        request(("Host", HOST), ("Cookie", f"{guard.cookie}={first}"), (CONSOLE_HEADER, token))
    )


async def test_every_address_is_guarded(instance: Any) -> None:
    paths = ["/", "/config", "/live", "/metrics", "/console/console.js", "/no-such-thing", "/traces"]
    for path in paths:
        async with instance.http.get(instance.url + path, headers={"Host": "evil.example"}) as response:
            assert response.status == 403, path
            assert response.content_type == "application/problem+json"
    for path in ["/reload", "/explain", "/traffic", "/services/orders/stop", "/console/code", "/nothing"]:
        async with instance.http.post(instance.url + path, json={}) as response:
            assert response.status == 401, path
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_console_link_becomes_a_session(instance: Any) -> None:
    code = (await instance.post("/console/code"))["code"]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as page:
        async with page.get(f"{instance.url}/?key={code}", allow_redirects=False) as opened:
            assert opened.status == 303
            cookie = opened.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            place, token = opened.headers["Location"].split("#token=")
            assert place == "/"
        async with page.get(instance.url + "/session", headers={CONSOLE_HEADER: token}) as session:
            assert await session.json() == {"may_change": True}
        async with page.post(instance.url + "/reload", headers={CONSOLE_HEADER: token}) as reload:
            assert reload.status == 200
        async with page.post(instance.url + "/reload") as without:
            assert without.status == 401
        async with page.get(f"{instance.url}/?key={code}", allow_redirects=False) as again:
            assert again.status == 403
            assert "Set-Cookie" not in again.headers
