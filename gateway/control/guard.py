"""Who may use the admin API.

The problem: a port on loopback is reachable by every program of this machine, and by every web page that its
user opens. A page can send requests there, and by DNS rebinding (its own host name, suddenly pointing to
127.0.0.1) it can even read the answers. Cookies do not help by themselves: a browser sends the cookies of
127.0.0.1 to *every* port, so each local service sees them (RFC 6265, section 8.5).

The rules:

1. Reading: `Host` is one of our own names with our port, and `Origin` is absent or the same. A rebound page
   carries its own name in both.
2. Changing: also the per-start secret as a bearer token (the command line), or a console session: the
   SameSite=Strict cookie *and* a second token that the page keeps in its own storage, which browsers do
   separate by port, and sends as a header. Whoever steals only the cookie has nothing.
3. What is under `PRIVATE` is read only by those who may change: logs lie in files that are closed to others, what a
   job printed was asked for by somebody, and the text of a configuration may hold secrets.
4. Secrets are compared in constant time; codes work once; sessions are few and end with the process.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

from gateway.control.problems import Handler, Problem

CONSOLE_HEADER = "X-Gatehouse-Console"
MAX_SESSIONS = 32
MAX_CODES = 32
CODE_SECONDS = 300.0
SAFE_METHODS = frozenset({"GET", "HEAD"})
PRIVATE = ("/logs/", "/jobs", "/config/text", "/incidents")


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def bearer(request: web.Request) -> str | None:
    """The token of the one `Authorization: Bearer` header, if there is exactly one."""
    values = request.headers.getall("Authorization", [])
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else None


class Guard:
    """The admin API's rules for one start of the control process."""

    def __init__(self, port: int, secret: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._secret = secret
        self._clock = clock
        self._codes: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self.cookie = f"gatehouse_console_{port}"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check before any view runs."""
        self.check_reading(request)
        if request.method not in SAFE_METHODS or request.path.startswith(PRIVATE):
            self.check_changing(request)
        return await handler(request)

    def check_reading(self, request: web.Request) -> None:
        """Raises Problem 403 for a foreign, absent or repeated Host, and for a foreign Origin."""
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise Problem(403, "foreign_host", "the Host header must be this machine's loopback name and our port")
        origins = request.headers.getall("Origin", [])
        if origins and origins != [f"http://{hosts[0].lower()}"]:
            raise Problem(403, "foreign_origin", "only the console's own page may call from a browser")

    def check_changing(self, request: web.Request) -> None:
        """Raises Problem 401 without a credential, 403 with a wrong one."""
        token = bearer(request)
        if token is not None:
            if not same(token, self._secret):
                raise Problem(403, "wrong_secret", "this is not the secret of the running instance")
            return
        if not self.has_session(request):
            raise Problem(
                401,
                "secret_required",
                "use the gatehouse command, or open the console by `gatehouse up`'s link",
            )

    def has_session(self, request: web.Request) -> bool:
        """Whether the request comes from a console page that was opened with the key."""
        token = self._sessions.get(request.cookies.get(self.cookie, ""))
        return token is not None and same(request.headers.get(CONSOLE_HEADER, ""), token)

    def new_code(self) -> str:
        """A code that opens one console session within CODE_SECONDS."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = self._clock() + CODE_SECONDS
        while len(self._codes) > MAX_CODES:
            self._codes.popitem(last=False)
        return code

    def open_session(self, key: str) -> tuple[str, str]:
        """Exchange a one-time code, or the secret, for a cookie value and the page's own token.

        Raises:
            Problem: 403, the key is neither.
        """
        if not (self._take_code(key) or same(key, self._secret)):
            raise Problem(403, "wrong_key", "the link is used up or belongs to an earlier start; ask for a new one")
        session, token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._sessions[session] = token
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session, token

    def _take_code(self, key: str) -> bool:
        found = next((code for code in self._codes if same(key, code)), None)
        return found is not None and self._codes.pop(found) >= self._clock()
