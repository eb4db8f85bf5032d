"""A limit of single operations: what it counts, what passes it, and where it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.compile.load import load_text
from gateway.filters.operation_limit import OperationLimit
from gateway.filters.rate_limit import RateLimitFilter
from gateway.http.messages import Reply
from gateway.spec.errors import SpecErrors
from gateway.spec.filters import RateLimit

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def limit(build: Any) -> Any:
    spec = RateLimit(name="changes", requests=2, per=60.0, operations=("UpdateProfile",))
    made = RateLimitFilter.make(spec, build())
    assert isinstance(made, OperationLimit)
    return made


def passes(limit: Any, request: Any, *operations: str) -> bool:
    request.operations = tuple(("soap", name) for name in operations)
    if limit.decide(request) is not None:
        return False
    limit.commit(request)
    return True


def test_only_what_is_named_is_counted(limit: Any, ask: Any) -> None:
    request = ask()
    assert all(passes(limit, request, "ReadProfile") for _ in range(10))
    assert request.limits == ()
    assert [passes(limit, request, "UpdateProfile") for _ in range(3)] == [True, True, False]
    assert passes(limit, request, "ReadProfile")
    assert passes(limit, request)
    assert not passes(limit, request, "ReadProfile", "UpdateProfile")  # of a batch, one is enough


def test_a_preview_spends_nothing_and_it_explains_itself(limit: Any, ask: Any) -> None:
    request = ask()
    request.operations = (("soap", "UpdateProfile"),)
    for _ in range(5):
        assert limit.preview(request) is None
    assert limit.explain(request, None) == "2 of 2 left for address 192.0.2.1"
    assert [passes(limit, request, "UpdateProfile") for _ in range(2)] == [True, True]
    assert isinstance(limit.preview(request), Reply)
    request.operations = (("soap", "ReadProfile"),)
    assert limit.explain(request, None) == "counts UpdateProfile only"
    assert limit.view()["name"] == "changes"


SOAP = "{type: SoapGuard, wsdl: profiles.wsdl}"
GRAPHQL = "{type: GraphQLGuard%s}"
REQUIRED = ", persisted: {file: graphql-queries.json, mode: require}"


@pytest.mark.parametrize(
    ("before", "operation", "wrong"),
    [
        (SOAP, "ReadProfile", ""),
        (SOAP, "ReadProfiles", 'the contract has no operation "ReadProfiles"; it has '),
        ("{type: SoapGuard}", "ReadProfile", "name its file in the guard's wsdl"),
        (GRAPHQL % "", "Anything", "the client's own word"),
        (GRAPHQL % ", persisted: {file: graphql-queries.json}", "Anything", "the client's own word"),
        (GRAPHQL % REQUIRED, "Anything", ""),
        ("{type: SizeLimit, maxRequestBytes: 9}", "ReadProfile", "put a SoapGuard or a GraphQLGuard before it"),
    ],
)
def test_it_stands_where_the_operation_is_known(before: str, operation: str, wrong: str) -> None:
    text = f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: a, endpoints: ["127.0.0.1:1"]}}]
routes:
  - name: all
    public: true
    filters: [{before}, {{type: RateLimit, requests: 1, operations: [{operation}]}}]
    backendRefs: [{{cluster: a}}]
"""
    if not wrong:
        load_text(text, "test.yaml", {}, CONFIG)
        return
    with pytest.raises(SpecErrors) as refused:
        load_text(text, "test.yaml", {}, CONFIG)
    assert wrong in str(refused.value)
