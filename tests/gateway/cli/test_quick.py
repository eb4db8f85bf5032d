from __future__ import annotations

import pytest

from gateway.cli.console import Misuse
from gateway.cli.quick import Target, as_yaml, document, endpoint, parse_pair, parse_pairs
from gateway.compile.load import load_text
from gateway.spec.models import Spec


def spec_of(*pairs: str, dev_issuer: bool = False) -> Spec:
    """The very text that would be written, read by the gateway's own loader."""
    found = {target: endpoint(target, lambda *_: True)[0] for target in parse_pairs(pairs)}
    return load_text(as_yaml(document(found, dev_issuer=dev_issuer)), "quick.yaml", {})


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/api=http://localhost:8000", Target("/api", "localhost", 8000, None)),
        ("/=http://127.0.0.1", Target("/", "127.0.0.1", 80, None)),
        ("/api/=http://localhost:8000/", Target("/api", "localhost", 8000, "/")),
        ("/a=http://[::1]:3000/v1?", Target("/a", "::1", 3000, "/v1")),
    ],
)
def test_a_pair_is_read(text: str, target: Target) -> None:
    assert parse_pair(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "/api", "api=http://localhost:1", "/api=localhost:8000", "/api=https://localhost", "/api=http://",
        "/api=http://user:pass@localhost", "/api=http://localhost:99999", "/api=http://localhost:x",
        "/api=http://localhost/?a=b", "/api=http://[::1", "/api=http://example.com", "/api=http://127.1",
    ],
)  # fmt: skip
def test_what_is_no_pair_is_misuse(text: str) -> None:
    with pytest.raises(Misuse):
        parse_pair(text)


def test_two_pairs_must_be_told_apart() -> None:
    with pytest.raises(Misuse, match="'api-v1'"):
        parse_pairs(["/api/v1=http://localhost:1", "/api-v1=http://localhost:2"])


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        ({"127.0.0.1", "::1"}, ("127.0.0.1:80", True)),
        ({"::1"}, ("[::1]:80", True)),  # what `vite` and `node` often do
        (set(), ("127.0.0.1:80", False)),
    ],
)
def test_localhost_is_tried_on_both_loopbacks(listening: set[str], expected: tuple[str, bool]) -> None:
    target = Target("/", "localhost", 80, None)
    assert endpoint(target, lambda address, _: address in listening) == expected


def test_an_address_that_was_given_is_taken() -> None:
    asked = []

    def probe(address: str, port: int) -> bool:
        asked.append((address, port))
        return False

    assert endpoint(Target("/", "192.0.2.1", 81, None), probe) == ("192.0.2.1:81", False)
    assert asked == [("192.0.2.1", 81)]


def test_quick_routes_are_public_limited_and_bounded_in_time() -> None:
    spec = spec_of("/api=http://localhost:8000", "/=http://[::1]:3000")
    assert [(route.name, route.public, route.backend_refs[0].cluster) for route in spec.routes] == [
        ("api", True, "api"),
        ("root", True, "root"),
    ]
    assert [cluster.listed for cluster in spec.clusters] == [("127.0.0.1:8000",), ("[::1]:3000",)]
    assert all([one.type for one in route.filters] == ["RateLimit"] for route in spec.routes)
    assert all(route.timeouts.request == 15 for route in spec.routes)
    assert [(listener.address, listener.port) for listener in spec.listeners] == [("127.0.0.1", 8088)]


def test_a_path_in_the_url_takes_the_place_of_the_prefix() -> None:
    (route,) = spec_of("/api=http://localhost:8000/v1").routes
    assert [one.type for one in route.filters] == ["RateLimit", "URLRewrite"]
    rewrite = route.filters[1].model_dump(by_alias=True, exclude_none=True)
    assert rewrite["path"] == {"type": "ReplacePrefixMatch", "value": "/v1"}


def test_with_the_development_issuer_routes_need_its_tokens() -> None:
    spec = spec_of("/api=http://localhost:8000", dev_issuer=True)
    (route,) = spec.routes
    assert route.public is False
    assert [one.type for one in route.filters] == ["RateLimit", "JWT"]  # the limit first: bad tokens are not free
    assert (spec.providers[0].algorithms, spec.clusters[-1].service) == (("EdDSA",), "dev-issuer")
