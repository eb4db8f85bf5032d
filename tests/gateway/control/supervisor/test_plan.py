import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control.placement import Placement
from gateway.control.supervisor.installation import Installation
from gateway.control.supervisor.manifest import Manifest, parse_manifest
from gateway.control.supervisor.mesh_site import Bound, MeshSite, SidecarSite
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.plan import Site, WayOut, make_plan, peer_addresses
from gateway.control.supervisor.ports import assign
from gateway.control.supervisor.program import ProcessPlan
from gateway.control.supervisor.readiness import HttpProbe, WorkerProbe
from gateway.control.supervisor.state_dir import StateDir
from gateway.spec.mesh_names import INBOUND, outbound

SHOP = {
    "settings": {"issuer": "https://identity.shop.example", "audience": "shop"},
    "services": [
        {"name": "identity", "module": "shop.identity", "secrets": {"users": True, "clients": "all"}},
        {"name": "orders", "module": "shop.orders", "peers": ["identity"], "redis": ["+ping"], "public": True},
        {"name": "profiles", "module": "shop.profiles", "secrets": {"clients": "own"}},
        {"name": "traffic", "module": "shop.traffic", "autostart": False, "port": False,
         "secrets": {"users": True, "clients": ["partner"]}},
    ],
}  # fmt: skip
INSTALLATION = Installation(
    users={"alice": "pw-alice"},
    clients={"partner": "cs-partner", "profiles": "cs-profiles"},
    redis={"orders": "pw-redis-orders", "supervisor": "pw-redis", "gateway": "rp-gateway"},
)


def site(manifest: Manifest | None = None, **changes: Any) -> Site:
    facts: dict[str, Any] = {
        "options": Options(state_dir="/state"),
        "state": StateDir(Path("/state")),
        "config": Path("/config/shop.yaml"),
        "variables": {"GATEHOUSE_PUBLIC_PORT": "20000"},
        "ports": assign(("identity", "orders", "profiles"), 20_000),
        "manifest": parse_manifest(SHOP) if manifest is None else manifest,
        "installation": INSTALLATION,
        "listeners": {"public": 10, "internal": 11},
        "public_url": "http://127.0.0.1:20000",
        "workers": 2,
        "drain_timeout": 4.0,
        "admin_secret": "as",
        "otlp_secret": "os",
        "control_secret": "cs-of-workers",
        "otlp": {"endpoint": "http://127.0.0.1:20002", "headers": {}},
        "redis_url": "redis://127.0.0.1:20003/0",
    }
    return Site(**{**facts, **changes})


@pytest.fixture
def plans() -> dict[str, ProcessPlan]:
    return {plan.name: plan for plan in make_plan(site())}


def settings(plan: ProcessPlan) -> dict[str, Any]:
    return dict(plan.settings or {})


def test_what_runs(plans: dict[str, ProcessPlan]) -> None:
    assert {name: plan.kind for name, plan in plans.items()} == {
        "control": "control", "gateway-1": "worker", "gateway-2": "worker",
        "identity": "service", "orders": "service", "profiles": "service", "traffic": "service",
    }  # fmt: skip
    assert plans["orders"].argv == (sys.executable, "-P", "-m", "shop.orders")
    assert plans["orders"].probe == HttpProbe("127.0.0.1", 20_005, "/readyz")


def test_a_service_is_told_its_place_and_its_peers(plans: dict[str, ProcessPlan]) -> None:
    told = settings(plans["orders"])
    assert (told["service"], told["host"], told["port"]) == ("orders", "127.0.0.1", 20_005)
    assert told["data_dir"] == "/state/data/orders"
    assert told["peers"] == {"identity": "http://127.0.0.1:20004"}
    assert told["redis"] == {
        "url": "redis://127.0.0.1:20003/0", "username": "orders", "password": "pw-redis-orders",
    }  # fmt: skip
    assert (told["issuer"], told["audience"]) == ("https://identity.shop.example", "shop")


def test_each_knows_only_the_secrets_it_needs(plans: dict[str, ProcessPlan]) -> None:
    assert settings(plans["orders"])["secrets"] == {}
    assert settings(plans["profiles"])["secrets"] == {"client_secret": "cs-profiles"}
    assert settings(plans["profiles"])["redis"] is None
    assert settings(plans["identity"])["secrets"] == {"users": INSTALLATION.users, "clients": INSTALLATION.clients}
    assert settings(plans["traffic"])["secrets"]["clients"] == {"partner": "cs-partner"}
    assert "pw-" not in json.dumps(settings(plans["gateway-1"]))
    assert "rp-" not in json.dumps([settings(plan) for plan in plans.values() if plan.kind != "worker"])


def test_a_third_party_gets_what_it_shares_with_one_service_and_nothing_else() -> None:
    shop = {
        "shared": ["pay-key"], "webhooks": ["pay"],
        "services": [
            {"name": "orders", "module": "shop.orders", "peers": ["pay"],
             "secrets": {"shared": ["pay-key"], "webhooks": ["pay"]}},
            {"name": "pay", "module": "shop.pay", "outside": True, "options": {"misbehave": "none"},
             "secrets": {"shared": ["pay-key"]}},
        ],
    }  # fmt: skip
    known = replace(INSTALLATION, shared={"pay-key": "sh-1"}, webhooks={"pay": "whsec_1"})
    numbers = assign(("orders", "pay"), 20_000)
    plans = {plan.name: plan for plan in make_plan(site(parse_manifest(shop), installation=known, ports=numbers))}
    pay = settings(plans["pay"])
    assert (pay["otlp"], pay["redis"], pay["peers"], pay["options"]) == (None, None, {}, {"misbehave": "none"})
    assert pay["secrets"] == {"shared": {"pay-key": "sh-1"}}
    assert settings(plans["orders"])["secrets"] == {"shared": {"pay-key": "sh-1"}, "webhooks": {"pay": "whsec_1"}}
    assert "sh-1" not in json.dumps([settings(plans["gateway-1"]), settings(plans["control"])])


def test_workers_are_told_their_own_user_of_our_redis(plans: dict[str, ProcessPlan]) -> None:
    account = {"address": "127.0.0.1:20003", "user": "gateway", "password": "rp-gateway", "database": 0, "tls": False}
    assert settings(plans["gateway-1"])["redis"] == account
    alone = {plan.name: plan for plan in make_plan(site(redis_url=None))}
    assert settings(alone["gateway-1"])["redis"] is None
    foreign = {
        plan.name: plan for plan in make_plan(site(redis_url="rediss://[::1]:7/2", redis_user_prefix="gatehouse-"))
    }
    assert settings(foreign["gateway-1"])["redis"] == {
        "address": "[::1]:7", "user": "gatehouse-gateway", "password": "rp-gateway", "database": 2, "tls": True,
    }  # fmt: skip


INTERNAL: dict[str, Any] = {"internal_url": "http://127.0.0.1:20001", "internal_secret": "is-of-workers"}


def test_services_find_the_gateways_keys_and_workers_alone_have_their_secret() -> None:
    told = {plan.name: settings(plan) for plan in make_plan(site(**INTERNAL))}
    assert told["orders"]["peers"]["gateway"] == "http://127.0.0.1:20001"
    assert told["gateway-1"]["internal_secret"] == told["gateway-2"]["internal_secret"] == "is-of-workers"
    assert "is-of" not in json.dumps([one for name, one in told.items() if not name.startswith("gateway-")])
    assert "is-of" not in repr(site(**INTERNAL)) + repr(make_plan(site(**INTERNAL)))


def test_in_a_mesh_they_still_do() -> None:
    """Or no service could verify what the gateway gives it in place of users' tokens."""
    bound = Bound(7, "127.0.0.1:30000")
    sidecar = SidecarSite({INBOUND: bound, outbound("identity"): bound}, "ss")
    mesh = MeshSite(
        Path("/config/mesh.yaml"), bound, bound, {"orders": sidecar}, {"orders": ("identity",)}, b"key", "ms",
        {"bundle": "", "certificate": "", "key": ""},
    )  # fmt: skip
    (orders,) = (plan for plan in make_plan(site(**INTERNAL, mesh=mesh)) if plan.name == "orders")
    assert settings(orders)["peers"] == {"identity": "http://127.0.0.1:30000", "gateway": "http://127.0.0.1:20001"}
    assert settings(orders)["meshed"] == ["identity"]


def test_secrets_are_not_in_arguments_or_printed(plans: dict[str, ProcessPlan]) -> None:
    shown = repr([replace(plan) for plan in plans.values()])
    assert "pw-" not in shown
    assert "cs-" not in shown
    assert "rp-" not in shown


def test_workers_inherit_the_listening_sockets_and_may_drain(plans: dict[str, ProcessPlan]) -> None:
    worker = plans["gateway-2"]
    assert worker.keep_fds == (10, 11)
    assert settings(worker)["listeners"] == {"public": 10, "internal": 11}
    assert settings(worker)["worker"] == "gateway-2"
    assert worker.grace > 4.0
    assert isinstance(worker.probe, WorkerProbe)
    assert (worker.probe.worker, worker.probe.control) == ("gateway-2", HttpProbe("127.0.0.1", 20_001, "/readyz"))


def test_control_knows_where_services_answer(plans: dict[str, ProcessPlan]) -> None:
    told = settings(plans["control"])
    assert Placement.model_validate(told["placement"]).endpoints() == {
        "identity": ["127.0.0.1:20004"], "orders": ["127.0.0.1:20005"], "profiles": ["127.0.0.1:20006"],
    }  # fmt: skip
    orders = next(one for one in told["services"] if one["name"] == "orders")
    assert (orders["url"], orders["about"], orders["public"]) == ("http://127.0.0.1:20005", "", True)
    assert told["admin"] == {"host": "127.0.0.1", "port": 20_001}


def test_the_gateway_alone_is_control_and_workers() -> None:
    names = [plan.name for plan in make_plan(site(Manifest(), workers=1, redis_url=None))]
    assert names == ["control", "gateway-1"]


def test_traffic_waits_to_be_started(plans: dict[str, ProcessPlan]) -> None:
    assert not plans["traffic"].autostart
    assert plans["traffic"].probe is None
    assert settings(plans["traffic"])["port"] == 0


def test_whoever_stands_between_is_what_others_reach() -> None:
    """A proxy that somebody put there; who watches processes still looks at the service itself."""
    put = site(options=Options(state_dir="/state", via={"identity": "127.0.0.1:9000"}))
    told = {plan.name: settings(plan) for plan in make_plan(put) if plan.settings}
    assert told["orders"]["peers"]["identity"] == "http://127.0.0.1:9000"
    assert Placement.model_validate(told["control"]["placement"]).endpoints()["identity"] == ["127.0.0.1:9000"]
    assert told["control"]["services"][0]["url"] == f"http://127.0.0.1:{put.ports['identity']}"
    bound = Bound(7, "127.0.0.1:30000")
    mesh = MeshSite(
        Path("/config/mesh.yaml"), bound, bound, {"identity": SidecarSite({INBOUND: bound}, "ss")}, {"identity": ()},
        b"key", "ms", {"bundle": "", "certificate": "", "key": ""},
    )  # fmt: skip
    (sidecar,) = (plan for plan in make_plan(replace(put, mesh=mesh)) if plan.name == "identity-sidecar")
    assert settings(sidecar)["inbound"] == "127.0.0.1:9000"


def test_an_intermediate_is_exchanged_long_before_it_ends() -> None:
    bound = Bound(7, "127.0.0.1:30000")
    mesh = MeshSite(Path("/config/mesh.yaml"), bound, bound, {}, {}, b"key", "ms", made=1_000.0)
    assert not mesh.is_due(1_000.0 + 9 * 86_400)
    assert mesh.is_due(1_000.0 + 11 * 86_400)


WITH_A_THIRD_PARTY = {
    "services": [
        {"name": "orders", "module": "shop.orders", "peers": ["pay"]},
        {"name": "pay", "module": "shop.pay", "outside": True},
    ]
}


def test_a_third_party_is_called_by_the_way_out_and_by_no_other() -> None:
    at = site(
        parse_manifest(WITH_A_THIRD_PARTY),
        ports=assign(("orders", "pay"), 20_000),
        listeners={"public": 10, "internal": 11, "to-pay": 12},
        ways_out={"pay": WayOut("to-pay", "127.0.0.1:20031")},
    )
    plans = {plan.name: plan for plan in make_plan(at)}
    told, rules = settings(plans["orders"]), plans["orders"].rules
    assert told["peers"] == {"pay": "http://127.0.0.1:20031"}
    assert told["third_parties"] == {"pay": "http://127.0.0.1:20005"}
    assert peer_addresses(at, at.entry("orders")) == {"pay": ["http://127.0.0.1:20031"]}
    assert rules is not None
    assert rules.connect == (20_002, 20_031)  # spans, and the way out: not where the third party is
    egress = plans["egress"]
    assert (egress.kind, egress.keep_fds, egress.port) == ("egress", (12,), 20_031)
    assert settings(plans["gateway-1"])["listeners"] == {"public": 10, "internal": 11}
    assert settings(egress)["listeners"] == {"to-pay": 12}
    assert not {"internal_secret", "redis", "otlp"} & settings(egress).keys()
    assert egress.rules is not None
    assert egress.rules.write == ("/state/data/egress", "/dev/null")


def test_without_a_way_out_services_call_third_parties_themselves() -> None:
    at = site(parse_manifest(WITH_A_THIRD_PARTY), ports=assign(("orders", "pay"), 20_000))
    plans = {plan.name: plan for plan in make_plan(at)}
    assert settings(plans["orders"])["peers"] == {"pay": "http://127.0.0.1:20005"}
    assert "egress" not in plans
