"""Raw bytes through a gateway whose filters look at the bodies of answers: whole, or passing by."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import pytest

from gateway.compile.table import filter_classes
from gateway.filters.answers import Stream
from gateway.filters.base import Build, Decision, Filter
from gateway.filters.chain import Chain
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.models import FilterSpec


class ReaderSpec(FilterSpec):
    type: Literal["Reader"] = "Reader"
    limit: int = 100
    mark: str = "!"


class Reader(Filter[ReaderSpec]):
    """Wants JSON answers whole; refuses what is `evil`, fails at what is `bad`, marks the rest."""

    Spec = ReaderSpec

    def __init__(self, spec: ReaderSpec, build: Build) -> None:
        super().__init__(spec, build)
        self.answer_limit = spec.limit

    def decide(self, request: Request) -> Decision:
        return Reply(200, "", headers=((b"content-type", b"text/x"),), body=b"own") if request.path == "/own" else None

    def wants_answer(self, request: Request, response: Response) -> bool:
        return response.fields.get(b"content-type") == b"application/json"

    def on_answer(self, request: Request, response: Response, body: bytes) -> bytes | Reply:
        if body == b"bad":
            raise ValueError("a filter that fails")
        if b"evil" in body:
            return Reply(502, "probe", "evil")
        response.status = 201
        return body + self.spec.mark.encode()


class PassingSpec(FilterSpec):
    type: Literal["Passing"] = "Passing"


class Passing(Filter[PassingSpec]):
    """Puts each piece into brackets, and says at the end how many pieces there were."""

    Spec = PassingSpec
    keeps_length = False

    def decide(self, request: Request) -> Decision:
        return None

    def stream(self, request: Request, response: Response) -> Stream | None:
        return Brackets() if b"x-plain" not in response.fields else None


class TwinSpec(FilterSpec):
    type: Literal["Twin"] = "Twin"
    mark: str = "twin"


class Twin(Filter[TwinSpec]):
    """Marks heads; has content of its own in place of errors, and of answers with the status 218."""

    Spec = TwinSpec

    def decide(self, request: Request) -> Decision:
        return None

    def on_response(self, request: Request, response: Response) -> Reply | None:
        if response.status == 218 and self.spec.mark == "replaces":
            return Reply(200, "", headers=((b"x-own", b"yes"),), body=b"replaced")
        if self.spec.mark == "hides":
            response.status = 304
        seen = b"%d " % response.status + response.fields.get(b"content-type", b"")
        response.replace_headers([*response.headers, (b"x-" + self.spec.mark.encode(), seen)])
        return None

    def on_failure(self, request: Request, reply: Reply) -> Reply | None:
        return Reply(200, "", body=reply.reason.encode()) if self.spec.mark == "rescues" else None


class Brackets:
    keeps_length = False

    def __init__(self) -> None:
        self.pieces = 0

    def feed(self, data: bytes) -> bytes:
        self.pieces += 1
        return b"" if data == b"swallow" else b"(%b)" % data

    def end(self) -> bytes:
        return b"%d" % self.pieces


@pytest.fixture(autouse=True)
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(filter_classes(), "Reader", Reader)
    monkeypatch.setitem(filter_classes(), "Passing", Passing)
    monkeypatch.setitem(filter_classes(), "Twin", Twin)


def config(address: str, filters: str) -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
routes:
  - {{name: all, public: true, backendRefs: [{{cluster: shop}}], filters: [{filters}]}}
"""


def pieces(*parts: bytes, fields: bytes = b"Content-Type: application/json\r\n", breaks: bool = False) -> Any:
    """An upstream that sends a chunked answer, each piece in a packet of its own, and perhaps not to its end."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n" % fields)
        for part in parts:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0.01)  # so that they are not read in one
        if breaks:
            writer.transport.abort()
        else:
            writer.write(b"0\r\n\r\n")

    return answer


def stated(body: bytes, fields: bytes = b"Content-Type: application/json\r\n") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)


async def ask(gateway: Any, upstream: Any, answer: Any, filters: str = "{type: Reader}", **more: Any) -> Any:
    shop = await upstream(answer)
    running = await gateway(config(shop.address, filters))
    head = f"{more.get('method', 'GET')} {more.get('path', '/')} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    got = await running.raw(head.encode() + more.get("fields", b"") + b"\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    return running, shop, head.lower(), body


async def test_a_whole_answer_is_judged_before_the_client_gets_any_of_it(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, pieces(b"one", b"two"))
    assert head.startswith(b"http/1.1 201")
    assert b"content-length: 7\r\n" in head
    assert b"chunked" not in head
    assert body == b"onetwo!"


async def test_the_last_filter_sees_it_first(gateway: Any, upstream: Any) -> None:
    filters = "{type: Reader, mark: second}, {type: Reader, mark: first}"
    _, _, _, body = await ask(gateway, upstream, stated(b"x"), filters)
    assert body == b"xfirstsecond"


async def test_a_refused_answer_is_replaced_and_says_by_which_line(gateway: Any, upstream: Any) -> None:
    running, _, head, body = await ask(gateway, upstream, pieces(b"ev", b"il"))
    assert head.startswith(b"http/1.1 502")
    assert json.loads(body)["reason"] == "probe"
    assert json.loads(body)["policy"].startswith("test.yaml:")
    assert running.total("gateway_local_replies_total", reason="probe") == 1


async def test_a_filter_that_fails_at_an_answer_lets_none_of_it_through(gateway: Any, upstream: Any) -> None:
    running, _, head, body = await ask(gateway, upstream, stated(b"bad"))
    assert head.startswith(b"http/1.1 500")
    assert json.loads(body)["reason"] == "filter_error"
    assert running.total("gateway_filter_errors_total", filter="Reader") == 1


@pytest.mark.parametrize("answer", [stated(b"x" * 101), pieces(b"x" * 60, b"x" * 41)], ids=["stated", "chunked"])
async def test_an_answer_that_is_too_large_to_be_kept_is_refused(gateway: Any, upstream: Any, answer: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, answer)
    assert head.startswith(b"http/1.1 502")
    assert json.loads(body)["reason"] == "answer_too_large_to_inspect"


async def test_an_answer_of_exactly_the_limit_passes(gateway: Any, upstream: Any) -> None:
    _, _, _, body = await ask(gateway, upstream, stated(b"x" * 100))
    assert body == b"x" * 100 + b"!"


async def test_endpoints_are_asked_for_plain_answers_and_others_are_refused(gateway: Any, upstream: Any) -> None:
    compressed = stated(b"x", b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
    _, shop, _, body = await ask(gateway, upstream, compressed, fields=b"Accept-Encoding: gzip\r\n")
    assert json.loads(body)["reason"] == "answer_encoded"
    assert b"accept-encoding: identity" in shop.seen[0].lower()
    assert b"gzip" not in shop.seen[0].lower()


async def test_an_answer_that_breaks_off_while_it_is_kept_becomes_an_error(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, pieces(b"half", breaks=True))
    assert head.startswith(b"http/1.1 502")
    assert json.loads(body)["reason"] == "upstream_reset"


async def test_what_no_filter_wants_streams_past(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, pieces(b"evil", b"x" * 200, fields=b""))
    assert head.startswith(b"http/1.1 200")
    assert b"evil" in body


async def test_head_has_no_body_to_judge(gateway: Any, upstream: Any) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    _, _, head, body = await ask(gateway, upstream, answer, method="HEAD")
    assert head.startswith(b"http/1.1 200")
    assert b"content-length: 500" in head
    assert body == b""


async def test_a_stream_changes_pieces_as_they_pass(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, pieces(b"a", b"swallow", b"b"), "{type: Passing}")
    assert b"transfer-encoding: chunked" in head
    assert body == b"3\r\n(a)\r\n3\r\n(b)\r\n1\r\n3\r\n0\r\n\r\n"


async def test_a_stream_of_a_small_answer_states_the_new_length(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, stated(b"abc"), "{type: Passing}")
    assert b"content-length: 6\r\n" in head
    assert body == b"(abc)1"


async def test_streams_see_what_those_made_that_want_the_whole(gateway: Any, upstream: Any) -> None:
    _, _, _, body = await ask(gateway, upstream, pieces(b"a", b"b"), "{type: Passing}, {type: Reader}")
    assert body == b"(ab!)1"


async def test_a_broken_stream_is_visibly_broken(gateway: Any, upstream: Any) -> None:
    shop = await upstream(pieces(b"a", breaks=True))
    running = await gateway(config(shop.address, "{type: Passing}"))
    with pytest.raises(ConnectionResetError):
        await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


async def test_a_filter_can_answer_with_content_of_its_own(gateway: Any, upstream: Any) -> None:
    _, shop, head, body = await ask(gateway, upstream, stated(b"x"), path="/own")
    assert head.startswith(b"http/1.1 200")
    assert b"content-type: text/x" in head
    assert b"content-length: 3" in head
    assert body == b"own"
    assert shop.seen == []


# -- filters that answer by themselves -------------------------------------------------------------------------


async def test_own_content_goes_back_through_the_filters_in_front_only(gateway: Any, upstream: Any) -> None:
    filters = "{type: Passing}, {type: Twin, mark: front}, {type: Reader}, {type: Twin, mark: behind}"
    _, shop, head, body = await ask(gateway, upstream, stated(b"x"), filters, path="/own")
    assert b"x-front: 200 text/x" in head
    assert b"x-behind" not in head
    assert b"content-length: 6" in head
    assert body == b"(own)1"
    assert shop.seen == []


async def test_head_of_own_content_has_its_length_and_no_body(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(gateway, upstream, stated(b"x"), method="HEAD", path="/own")
    assert b"content-length: 3" in head
    assert body == b""


@pytest.mark.parametrize("whole", [True, False])
async def test_content_in_place_of_an_answer(gateway: Any, upstream: Any, whole: bool) -> None:
    answer = b"HTTP/1.1 218 Fine\r\nContent-Length: 9\r\n\r\n" + (b"forgotten" if whole else b"forg")
    filters = "{type: Twin, mark: front}, {type: Twin, mark: replaces}"
    running, _, head, body = await ask(gateway, upstream, answer, filters)
    assert head.startswith(b"http/1.1 200")
    assert b"x-own: yes" in head
    assert b"x-front: 200" in head
    assert body == b"replaced"
    assert running.total("http_client_request_duration_seconds_count", http_response_status_code="218") == 1


async def test_content_in_place_of_a_failure(gateway: Any, upstream: Any) -> None:
    shop = await upstream(b"")
    shop.server.close()
    running = await gateway(config(shop.address, "{type: Passing}, {type: Twin, mark: rescues}"))
    got = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"(upstream_connect_failure)1")


async def test_filters_in_front_see_the_head_that_the_client_gets(gateway: Any, upstream: Any) -> None:
    filters = "{type: Twin, mark: front}, {type: Reader}, {type: Twin, mark: behind}"
    _, _, head, body = await ask(gateway, upstream, stated(b"x"), filters)
    assert b"x-front: 201 application/json" in head
    assert b"x-behind: 200 application/json" in head
    assert body == b"x!"


async def test_a_status_without_a_body_swallows_it(gateway: Any, upstream: Any) -> None:
    _, _, head, body = await ask(
        gateway, upstream, pieces(b"a", b"b", fields=b""), "{type: Passing}, {type: Twin, mark: hides}"
    )
    assert head.startswith(b"http/1.1 304")
    assert b"transfer-encoding" not in head
    assert body == b""


def test_who_reads_whole_answers_stands_behind_who_keeps_them() -> None:
    class Keeper(Reader):
        keeps_answers = True
        answer_limit = 0

        def __init__(self) -> None:
            self.spec, self.where = ReaderSpec(), "x:1"

    reader, keeper = object.__new__(Reader), Keeper()
    reader.answer_limit, reader.spec, reader.where = 1, ReaderSpec(), "x:2"
    Chain([keeper, reader], Metrics())
    with pytest.raises(ValueError, match="put it behind"):
        Chain([reader, keeper], Metrics())
