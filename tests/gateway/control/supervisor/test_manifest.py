from pathlib import Path
from typing import Any

import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.manifest import load_manifest, parse_manifest, with_options
from gateway.control.supervisor.options import default_manifest


def one(**changes: Any) -> dict[str, Any]:
    return {"services": [{"name": "orders", "module": "sample_services.orders", **changes}]}


def test_the_shops_manifest_is_valid_and_least_privileged() -> None:
    manifest = load_manifest(default_manifest())
    entries = {entry.name: entry for entry in manifest.services}
    assert list(entries) == [
        "identity",
        "orders",
        "profiles",
        "storefront",
        "alerts",
        "reports",
        "recommendations",
        "shipping",
        "payments",
        "traffic",
        "partner",
    ]
    assert not entries["traffic"].autostart
    assert not entries["traffic"].port
    assert [name for name, entry in entries.items() if entry.secrets.get("users")] == ["identity", "traffic"]
    assert [name for name, entry in entries.items() if entry.secrets.get("clients") == "all"] == ["identity"]
    outside = [entry for entry in manifest.services if entry.outside]
    assert [(entry.name, entry.sidecar, entry.redis, entry.peers) for entry in outside] == [
        (name, False, (), ()) for name in ("payments", "partner")
    ]
    assert {name for name, entry in entries.items() if entry.secrets.get("shared")} == {"orders", "payments"}
    rules = [rule for entry in manifest.services for rule in entry.redis]
    assert not {"+@all", "~*", "allkeys", "allcommands"} & set(rules)
    assert manifest.settings == {
        "issuer": "https://identity.shop.example",
        "audience": "shop",
        "gateway_issuer": "urn:gatehouse:gateway",
    }


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "top level must be a mapping"),
        ({"service": []}, "unknown keys"),
        (one(node="x.mjs"), "either module"),
        ({"services": [{"name": "orders"}]}, "either module"),
        ({"services": [{"name": "orders", "node": "../x.mjs"}]}, "below the manifest's folder"),
        ({"services": [{"name": "orders", "node": "/x.mjs"}]}, "below the manifest's folder"),
        (one(publik=True), r"services\[0\]: unknown keys \['publik'\]"),
        (one(name="Orders"), "short lower-case word"),
        (one(name="../x"), "short lower-case word"),
        (one(name="redis"), "is taken"),
        (one(module="os; rm"), "Python module"),
        (one(peers=["identity"]), "unknown peers"),
        (one(redis="+@all"), "list of texts"),
        (one(redis=["on"]), "not Redis ACL rules"),
        (one(redis=["~a\nuser evil on nopass ~* +@all"]), "not Redis ACL rules"),
        (one(public="yes"), "true or false"),
        (one(options={"version": 2}), "options are texts"),
        (one(secrets={"shared": ["key"]}), "unknown shared"),
        (one(secrets={"webhooks": "payments"}), "list of texts"),
        (one(outside="yes"), "true or false"),
        ({"services": [], "api_keys": [{"owner": "A"}]}, "owner and plan"),
        ({"services": [], "api_keys": [{"key": "a"}]}, "unknown keys"),
        (one(secrets={"api_keys": ["a"]}), "unknown api_keys"),
        (one(secrets={"users": "all"}), "secrets are"),
        (one(secrets={"passwords": True}), "unknown keys"),
    ],
)
def test_mistakes_are_named(document: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_manifest(document)


def test_options_are_those_that_the_manifest_names() -> None:
    manifest = parse_manifest(one(options={"version": "v1", "other": "a"}))
    (entry,) = with_options(manifest, {"orders": {"version": "v2"}}).services
    assert entry.options == {"version": "v2", "other": "a"}
    for wrong in ({"orders": {"versoin": "v2"}}, {"order": {"version": "v2"}}):
        with pytest.raises(CannotStart, match=r"there are: orders\.version, orders\.other"):
            with_options(manifest, wrong)


def test_a_name_is_given_once() -> None:
    twice = one()["services"] * 2
    with pytest.raises(ValueError, match="'orders' is taken"):
        parse_manifest({"services": twice})


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"missing\.yaml"):
        load_manifest(tmp_path / "missing.yaml")
    (tmp_path / "broken.yaml").write_text("services: [")
    with pytest.raises(CannotStart, match=r"broken\.yaml"):
        load_manifest(tmp_path / "broken.yaml")
