import os
import random
import socket
from pathlib import Path

import psutil
import pytest

from gateway.control.supervisor import ports
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.ports import Need

SHOP = ("identity", "orders", "profiles", "storefront", "alerts")


def test_default_ports_are_the_documented_ones() -> None:
    assert ports.assign(SHOP, None) == {
        "public": 8088, "internal": 8089, "admin": 9901, "collector": 4318, "redis": 6390, "egress": 8087,
        "prometheus": 9090, "identity": 8101, "orders": 8102, "profiles": 8103, "storefront": 8104, "alerts": 8105,
    }  # fmt: skip


def test_a_base_numbers_a_block_without_collisions() -> None:
    numbers = ports.assign((*SHOP, "reports", "payments"), 20_000)
    assert numbers["public"] == 20_000
    assert numbers["internal"] == 20_009
    assert [numbers[name] for name in SHOP] == [20_004, 20_005, 20_006, 20_007, 20_008]
    assert (numbers["reports"], numbers["payments"]) == (20_010, 20_011)


@pytest.mark.parametrize("base", [-1, 65_535, 70_000])
def test_a_block_outside_the_ports_is_refused(base: int) -> None:
    with pytest.raises(CannotStart, match="--port-base"):
        ports.assign(SHOP, base)


def test_a_found_block_is_free_and_outside_the_ephemeral_range() -> None:
    ephemeral = range(32_768, 61_000)
    taken = {port for port in range(65_536) if not 20_480 <= port < 20_480 + ports.BLOCK}
    found = ports.find_block(random.Random(7), lambda port: port not in taken, ephemeral)
    assert found == 20_480
    for seed in range(50):
        start = ports.find_block(random.Random(seed), lambda port: True, ephemeral)
        assert not set(range(start, start + ports.BLOCK)) & set(ephemeral)


def test_no_free_block_is_an_error() -> None:
    with pytest.raises(CannotStart, match="no free block"):
        ports.find_block(random.Random(7), lambda port: False, range(0))


def test_a_port_in_use_names_the_port_its_owner_and_the_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart) as refused:
            ports.check([Need("admin", "127.0.0.1", port)])
    assert f"port {port} (admin) is in use by {psutil.Process().name()} (pid {os.getpid()})" in str(refused.value)
    assert refused.value.exit_code == 2


def test_all_taken_ports_are_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        needs = [Need("admin", "127.0.0.1", one.getsockname()[1]), Need("redis", "127.0.0.1", two.getsockname()[1])]
        with pytest.raises(CannotStart, match=r"(?s)(\(admin\).*\(redis\))|(\(redis\).*\(admin\))"):
            ports.check(needs)


def test_one_port_wanted_twice_is_an_error(free_port: int) -> None:
    with pytest.raises(CannotStart, match=f"port {free_port} is wanted by both"):
        ports.check([Need("listener public", "127.0.0.1", free_port), Need("admin", "127.0.0.1", free_port)])


def test_an_address_of_another_machine_is_an_error(free_port: int) -> None:
    with pytest.raises(CannotStart, match=r"cannot be bound on 192\.0\.2\.1"):
        ports.check([Need("listener public", "192.0.2.1", free_port)])


def test_a_port_in_time_wait_counts_as_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # who closes first keeps TIME_WAIT (RFC 9293 §3.6)
        client.recv(1)
        client.close()
    assert ports.is_free(port)


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells its range")
def test_the_ephemeral_range_is_the_kernels() -> None:
    low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert ports.ephemeral_range() == range(int(low), int(high) + 1)
