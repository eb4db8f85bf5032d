"""From the manifest to what the operating system is told: what follows from nothing is not there."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.control.supervisor import confinement
from gateway.control.supervisor.confinement import Code, compile_programs, find_code, redis_rules
from gateway.control.supervisor.manifest import parse_manifest
from gateway.control.supervisor.mesh_site import Bound, MeshSite, SidecarSite
from gateway.control.supervisor.options import default_manifest
from gateway.control.supervisor.plan import make_plan
from gateway.mesh.isolation.rules import Rules
from tests.gateway.control.supervisor.test_plan import SHOP, site

LATER = range(8_200, 8_216)
"""The ports that further copies of its peer identity would have."""


def rules(**changes: Any) -> dict[str, Rules | None]:
    return {
        plan.name: plan.rules
        for plan in make_plan(site(**{"code": Code(("/venv", "/shop"), ("/checkout",)), **changes}))
    }


def of(name: str, **changes: Any) -> Rules:
    found = rules(**changes)[name]
    assert found is not None
    return found


def test_services_are_confined_and_what_serves_all_is_not() -> None:
    confined = {name for name, one in rules().items() if one is not None}
    assert confined == {"identity", "orders", "profiles", "traffic"}


def test_ports_follow_from_what_is_declared() -> None:
    orders = of("orders")
    assert orders.bind == (20_005,)
    assert orders.connect == (*LATER, 20_002, 20_003, 20_004)  # spans, Redis, its peer identity
    assert of("identity").connect == (20_002,)
    assert of("profiles", internal_url="http://127.0.0.1:20009").connect == (20_002, 20_009)  # the gateway's keys
    assert (of("profiles").bind, of("traffic").bind) == ((20_006,), ())
    assert 20_001 not in {port for one in rules().values() if one for port in one.connect or ()}  # the admin API


def test_files_follow_from_its_name() -> None:
    orders = of("orders")
    assert orders.write == ("/state/data/orders", "/dev/null")
    assert orders.home == "/state/data/orders"
    assert set(orders.read) == {*confinement.SYSTEM, "/venv", "/shop"}
    assert orders.listed == ("/checkout",)
    assert not [path for path in (*orders.read, *orders.write, *orders.listed) if Path("/state").is_relative_to(path)]
    assert orders.run == ()


def test_who_calls_as_clients_do_reaches_the_public_listener() -> None:
    manifest = parse_manifest(SHOP)
    services = tuple(replace(one, gateway=one.name == "traffic") for one in manifest.services)
    manifest = replace(manifest, services=services)
    assert of("traffic", manifest=manifest).connect == (20_000, 20_002)
    assert of("traffic").connect == (20_002,)


def test_a_third_partys_program_gets_no_collector_and_one_in_another_language_its_own_program() -> None:
    outsider, foreigner = parse_manifest(
        {"services": [
            {"name": "payments", "module": "shop.payments", "outside": True, "gateway": True, "port": False},
            {"name": "shipping", "node": "shipping/main.mjs", "port": False},
        ]}
    ).services  # fmt: skip
    at = site(code=Code(("/venv", "/shop"), ("/checkout",)))
    assert confinement.service_rules(at, outsider, {}, ()).connect == (20_000,)
    rules = confinement.service_rules(at, foreigner, {}, ("/bin/node", "--option", "/shop/shipping/main.mjs"))
    assert "/bin/node" in rules.run
    assert "/shop/shipping" in rules.read
    assert not {"/venv", "/shop", *rules.listed} & set(rules.read)


def test_memory_is_what_the_manifest_says() -> None:
    (entry,) = parse_manifest({"services": [{"name": "orders", "module": "shop.orders", "memory": 96}]}).services
    assert confinement.service_rules(site(), entry, {}, ()).memory_mib == 96


@pytest.mark.parametrize("memory", [0, 63, "512", True, 1.5])
def test_memory_is_a_sensible_number(memory: Any) -> None:
    with pytest.raises(ValueError, match="orders: memory is a whole number of MiB"):
        parse_manifest({"services": [{"name": "orders", "module": "shop.orders", "memory": memory}]})


def test_addresses_by_name_need_dns_and_by_number_do_not() -> None:
    far = {"endpoint": "https://spans.example/v1", "headers": {}}
    orders = of("orders", otlp=far, redis_url="rediss://[::1]:7/2")
    assert orders.connect == (7, 53, 443, *LATER, 20_004)
    assert orders.names
    assert not of("orders", redis_url="redis://localhost").names
    assert 6379 in (of("orders", redis_url="redis://localhost").connect or ())


def test_in_a_mesh_a_service_reaches_its_sidecar_instead_of_its_peers() -> None:
    ports = iter(range(30_000, 40_000))

    def bound() -> Bound:
        return Bound(9, f"127.0.0.1:{next(ports)}")

    sidecars = {"identity": ["inbound"], "orders": ["inbound", "to-identity"], "profiles": ["inbound"]}
    mesh = MeshSite(
        Path("/mesh.yaml"), bound(), bound(),
        {name: SidecarSite({listener: bound() for listener in found}, "s") for name, found in sidecars.items()},
        {"identity": [], "orders": ["identity"], "profiles": []},
        b"k", "admin", {"bundle": ""},
    )  # fmt: skip
    orders, sidecar = of("orders", mesh=mesh), of("orders-sidecar", mesh=mesh, sidecar_code=Code(("/gateway",)))
    to_identity = mesh.sidecars["orders"].listeners["to-identity"].address
    assert orders.connect == (20_002, 20_003, int(to_identity.rpartition(":")[2]))
    assert orders.bind == (20_005,)
    assert (sidecar.bind, sidecar.connect, sidecar.run) == ((), None, ())
    assert sidecar.write == ("/state/data/orders-sidecar", "/dev/null")
    assert "/gateway" in sidecar.read
    assert "/shop" not in sidecar.read


def test_redis_asks_nobody() -> None:
    one = redis_rules("/usr/bin/redis-server", Path("/state/redis"), 7)
    assert (one.bind, one.connect, one.write) == ((7,), (), ("/state/redis", "/dev/null"))
    assert one.run[0] == "/usr/bin/redis-server"


def test_code_is_found_and_nothing_of_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise RuntimeError('run')")
    (tmp_path / "app" / "other.py").write_text("")
    (tmp_path / "single.py").write_text("raise RuntimeError('run')")
    monkeypatch.syspath_prepend(tmp_path)
    code = find_code(["app.orders", "single", "absent.module"], {"SSL_CERT_FILE": "/ca.pem"})
    assert {str(tmp_path / "app"), str(tmp_path / "single.py"), "/ca.pem", sys.prefix} <= set(code.read)
    assert str(tmp_path) in code.listed
    assert str(tmp_path) not in code.read
    compile_programs(["app.orders", "single", "absent.module"])
    compiled = {path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert compiled == {"__init__", "other", "single"}


def test_a_change_of_the_plan_shows_no_rules_in_its_words() -> None:
    plan = next(one for one in make_plan(site()) if one.name == "orders")
    assert "20004" not in repr(replace(plan))


def test_the_shops_folders_hold_no_secrets_of_the_user() -> None:
    """A checkout lies where its user wants it: of its folder only the names can be read."""
    code = find_code(["sample_services.orders"], {})
    assert not [path for path in code.read if Path.home().is_relative_to(path)]
    assert str(default_manifest().parent) in code.read
    assert str(default_manifest().parents[1]) not in code.read
