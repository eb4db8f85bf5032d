"""Claims of a verified token as headers for the upstream.

The problem: a service that believes `x-subject` believes whoever can send it, and a claim with a line break in it
can become two headers (CWE-113). The rule: whatever the client sent under such a name is taken away, whether or not
the token has the claim, also in the spelling with `_` that CGI and WSGI take for the same; a value is visible ASCII,
everything else in it is percent-encoded, and so is `%`, so that it can be decoded without doubt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from gateway.filters.jose import BadToken
from gateway.http.messages import Headers, Request
from gateway.spec.identity import ClaimToHeader

MAX_VALUE: Final = 4_096
_VISIBLE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


class ClaimHeaders:
    """The claims that one filter passes on."""

    def __init__(self, spec: tuple[ClaimToHeader, ...]) -> None:
        self._claims = tuple((one.claim, one.header.encode()) for one in spec)
        self._ours = frozenset(name.replace(b"_", b"-") for _, name in self._claims)

    def of(self, claims: Mapping[str, Any]) -> Headers:
        """The fields that a token's claims become.

        Raises:
            BadToken: a claim too long to be passed on.
        """
        return [(header, header_value(name, claims[name])) for name, header in self._claims if name in claims]

    def pass_on(self, request: Request, fields: Headers) -> None:
        """Give the upstream these fields, and none of these names from the client."""
        give_upstream(request, self._ours, fields)


def give_upstream(request: Request, names: frozenset[bytes], fields: Headers) -> None:
    """Replace fields of these names (written with `-`), in whichever spelling they came from the client."""
    kept = [field for field in request.headers if field[0].replace(b"_", b"-") not in names]
    request.replace_headers([*kept, *fields])


def header_value(name: str, claim: Any) -> bytes:
    """A claim as a field's value: text as it is, everything else as JSON.

    Raises:
        BadToken: it would be longer than 4096 bytes.
    """
    text = claim if isinstance(claim, str) else json.dumps(claim, separators=(",", ":"))
    spaces = "" if text != text.strip(" ") else " "  # at the ends they would not arrive
    value = quote(text, safe=_VISIBLE + spaces, errors="surrogatepass").encode("ascii")
    if len(value) > MAX_VALUE:
        raise BadToken("jwt_invalid", f"the claim {name!r} is too long to be passed on")
    return value
