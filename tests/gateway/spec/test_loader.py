"""What a loaded Spec is like; what is refused stands in the golden folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.spec.errors import SpecErrors
from gateway.spec.filters import Jwt, RateLimit
from gateway.spec.loader import load
from gateway.spec.models import FilterSpec, Spec
from gateway.spec.restore import restore

Load = Callable[[str], Spec]
Types = dict[str, type[FilterSpec]]
ALL_FILTERS = Path(__file__).parent / "golden/good/all-filters.yaml"
SMALL = """\
listeners: [{name: public, port: 1}]
clusters: [{name: c, endpoints: ["127.0.0.1:1"]}]
routes:
  - name: a
    public: true
    backendRefs: [{cluster: c}]
    filters:
      - {type: RateLimit, requests: 5, per: 1m30s}
"""


def test_filters_become_their_own_models_and_know_their_line(load_text: Load) -> None:
    spec = load_text(SMALL)
    (limit,) = spec.routes[0].filters
    assert isinstance(limit, RateLimit)
    assert (limit.per, limit.where) == (90.0, "shop.yaml:8")
    assert spec.routes[0].where == "shop.yaml:4"


def test_an_alias_is_known_by_the_line_of_its_anchor(load_text: Load) -> None:
    text = SMALL.replace("- {type", "- &limit {type") + "  - name: b\n    public: true\n"
    text += "    backendRefs: [{cluster: c}]\n    matches: [{path: {value: /b}}]\n    filters: [*limit]\n"
    assert load_text(text).routes[1].filters[0].where == "shop.yaml:8"


def test_a_snapshot_comes_back_the_same(load_path: Callable[[Path], Spec], filter_types: Types) -> None:
    spec = load_path(ALL_FILTERS)
    sent = json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    assert restore(sent, filter_types) == spec
    assert isinstance(restore(sent, filter_types).routes[0].filters[0], Jwt)


def test_a_snapshot_of_other_filters_is_refused(load_path: Callable[[Path], Spec], filter_types: Types) -> None:
    sent = load_path(ALL_FILTERS).model_dump(mode="json", by_alias=True)
    with pytest.raises(ValueError, match="unknown filter type 'JWT'"):
        restore(sent, {name: model for name, model in filter_types.items() if name != "JWT"})
    with pytest.raises(ValidationError):
        restore({**sent, "surprise": 1}, filter_types)


def test_which_filters_authenticate_is_the_callers_to_say(filter_types: Types) -> None:
    with pytest.raises(SpecErrors, match="public and protected at once"):
        load(SMALL, "f", {}, filter_types, authenticating={"RateLimit"})
    protected = SMALL.replace("    public: true\n", "")
    assert load(protected, "f", {}, filter_types, authenticating={"RateLimit"}).routes[0].public is False
    with pytest.raises(
        SpecErrors, match=r"a filter that authenticates \(ApiKey, JWT, TokenIntrospection, WebhookSignature\)"
    ):
        load(protected, "f", {}, filter_types)


def test_which_filters_answer_is_the_callers_to_say(filter_types: Types) -> None:
    nowhere = SMALL.replace("    backendRefs: [{cluster: c}]\n", "")
    assert load(nowhere, "f", {}, filter_types, answering={"RateLimit"}).routes[0].backend_refs == ()
    with pytest.raises(SpecErrors, match="leads nowhere"):
        load(nowhere, "f", {}, filter_types)


def test_errors_know_their_path(load_text: Load) -> None:
    with pytest.raises(SpecErrors) as caught:
        load_text(SMALL.replace("requests: 5", "requests: five"))
    (error,) = caught.value.errors
    assert (error.path, error.line, error.column) == ("routes[0].filters[0].requests", 8, 37)


DOCUMENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("abcJWT/.*", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["listeners", "routes", "filters", "type", "name", "matches", "key", "path", "clusters"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(DOCUMENT)
def test_no_document_breaks_the_loader(load_text: Load, document: object) -> None:
    with pytest.raises(SpecErrors):
        load_text(json.dumps(document))  # JSON is YAML; none of these is a whole configuration


def test_a_password_file_is_of_ones_own(load_path: Callable[[Path], Spec], tmp_path: Path) -> None:
    file, secret = tmp_path / "gateway.yaml", tmp_path / "password"
    file.write_text(
        "listeners: [{name: public, port: 8088}]\n"
        "stores: [{name: shared, address: 127.0.0.1:6379, passwordFile: password}]\n"
    )
    secret.write_text("s3cret")
    secret.chmod(0o644)
    with pytest.raises(SpecErrors, match=r"every user of this machine can read password"):
        load_path(file)
    secret.chmod(0o600)
    assert load_path(file).stores[0].password_file == str(secret)
    secret.write_text("\n")
    with pytest.raises(SpecErrors, match=r"password is empty"):
        load_path(file)


def test_a_changed_file_of_a_filter_is_another_configuration(load_path: Callable[[Path], Spec], tmp_path: Path) -> None:
    (tmp_path / "queries.json").write_text("{}")
    (tmp_path / "shop.yaml").write_text(
        """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
routes:
  - name: graphql
    public: true
    filters: [{type: GraphQLGuard, persisted: {file: queries.json}}]
    backendRefs: [{cluster: shop}]
"""
    )
    first, same = load_path(tmp_path / "shop.yaml"), load_path(tmp_path / "shop.yaml")
    (tmp_path / "queries.json").write_text("{ }")
    assert first == same
    assert first != load_path(tmp_path / "shop.yaml")
