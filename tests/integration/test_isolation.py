"""An attacker inside a service's process, in the running shop: what the operating system refuses, and what it costs
to leave that out. Each attack is made twice, by the same program: confined, as services start, and free."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from gateway.control.supervisor import launch
from gateway.control.supervisor.options import Options, default_manifest, default_mesh

PLANTED = Path(__file__).parent / "planted"
INTRUDER = {
    "name": "intruder", "module": "intruder", "about": "was a service once", "peers": ["orders"],
    "redis": ["~nothing", "+ping"],
}  # fmt: skip


class Answer(NamedTuple):
    got: Any
    refused: str | None


class Intruder:
    """The planted program, reached as any service is."""

    def __init__(self, port: int) -> None:
        self.port = port

    def does(self, what: str, *arguments: Any) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("POST", "/", json.dumps({"do": what, "with": arguments}))
            said = json.loads(connection.getresponse().read())
        return Answer(said.get("got"), said.get("refused"))


class House:
    """The shop with the intruder in it, and what an attacker would like to have."""

    def __init__(self, root: Path) -> None:
        self.state = root / "s"
        self.home = root / "home"
        (self.home / ".ssh").mkdir(parents=True)
        (self.home / ".ssh" / "id").write_text("a key")
        self.manifest = root / "manifest.yaml"
        shop = yaml.safe_load(default_manifest().read_text())
        self.manifest.write_text(yaml.safe_dump({**shop, "services": [*shop["services"], INTRUDER]}))
        shutil.copytree(default_manifest().parent / "shipping", root / "shipping")  # lies beside its manifest

    def settle(self, instance: dict[str, Any]) -> None:
        self.ports = instance["ports"]
        self.secret = json.loads((self.state / "instance.json").read_text())["admin_secret"]
        self.row = self.processes()["intruder"]
        self.confined = Intruder(self.ports["intruder"])

    def ask(self, **question: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.state / "supervisor.sock"))
            connection.sendall(json.dumps({"secret": self.secret, **question}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile().readline())
        return answer

    def processes(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.ask(do="ps")["processes"]}

    def pid(self, name: str) -> int:
        return int(self.processes()[name]["pid"])

    def admin(self, path: str) -> str:
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports["admin"], timeout=20)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read().decode()


@contextmanager
def living_in(root: Path, **options: Any) -> Iterator[House]:
    """Start it, and stop it at the end."""
    house = House(root)
    told = Options(str(house.state), manifest=str(house.manifest), port_base=0, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PLANTED))
        patch.setenv("HOME", str(house.home))
        launched = launch.start(told, detach=False)
    try:
        house.settle(launched.until_up(lambda _: None))
        yield house
    finally:
        launched.stop()
        launched.process.wait(20)
        launched.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with living_in(tmp_path_factory.mktemp("i")) as house:
        yield house


@pytest.fixture(scope="module")
def enforced(house: House) -> House:
    """The same, where the host enforces all of it: told by the process itself."""
    if not house.row["isolation"].startswith("enforced"):
        pytest.skip(house.row["isolation"])
    return house


@pytest.fixture(scope="module")
def free(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intruder]:
    """The same program as the same user, started without the launcher."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings_read, settings_write = os.pipe()
    lifeline_read, lifeline_write = os.pipe()
    settings = {"host": "127.0.0.1", "port": port, "lifeline_fd": lifeline_read}
    os.write(settings_write, json.dumps(settings).encode())
    os.close(settings_write)
    command = [sys.executable, str(PLANTED / "intruder.py"), "--settings-fd", str(settings_read)]
    with subprocess.Popen(command, pass_fds=[settings_read, lifeline_read], start_new_session=True) as process:
        os.close(settings_read)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)
        yield Intruder(port)
        process.kill()
    os.close(lifeline_read)
    os.close(lifeline_write)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What any program of this user may have open: a TCP and a UDP port, a Unix and an abstract socket, and another."""
    folder = tmp_path_factory.mktemp("l")
    with (
        socket.create_server(("", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix, socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):  # fmt: skip
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "stream"))
        abstract.bind(f"\0{folder}")
        datagrams.bind(str(folder / "datagrams"))
        unix.listen()
        abstract.listen()
        yield {
            "tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1], "unix": str(folder / "stream"),
            "abstract": f"@{folder}", "datagrams": str(folder / "datagrams"),
        }  # fmt: skip


FILES = {
    "a foreign database": "data/orders/orders.db",
    "a foreign database's log": "data/orders/orders.db-wal",
    "the installation's passwords": "installation.json",
    "the secret of the admin API": "instance.json",
    "the configuration in force": "last-good.json",
    "Redis' users": "redis/users.acl",
    "a foreign log": "logs/gateway-1.log",
    "the access log's folder": "logs/orders.log",
    "the lock": "lock",
    "what the user has at home": "../home/.ssh/id",
    "the accounts of this machine": "/etc/passwd",
    "its own log, once more": "logs/intruder.log",
}


@pytest.mark.parametrize("what", FILES)
def test_files_of_others(enforced: House, free: Intruder, what: str) -> None:
    path = str((enforced.state / FILES[what]).resolve())
    assert enforced.confined.does("read", path).refused == "EACCES"
    assert enforced.confined.does("append", path).refused == "EACCES"
    assert enforced.confined.does("remove", path).refused == "EACCES"
    assert enforced.confined.does("change_mode", path).refused == "EPERM"
    assert free.does("read", path).refused is None
    if Path(path).stat().st_uid == os.geteuid():
        assert free.does("change_mode", path) == (None, None)


def test_its_own_files_are_its_own(enforced: House) -> None:
    own = enforced.state / "data" / "intruder"
    assert enforced.confined.does("make", str(own / "kept")).got
    assert enforced.confined.does("append", str(own / "kept")).got == 0
    assert enforced.confined.does("remove", str(own / "kept")) == (None, None)
    told = enforced.confined.does("who").got
    assert (told["home"], told["tmp"]) == (str(own), str(own / "tmp"))


def test_no_code_is_changed_nor_planted(enforced: House, free: Intruder) -> None:
    """Its own, a library's, and what others would follow or find."""
    root = Path(__file__).parents[2]
    for path in (PLANTED / "intruder.py", root / "sample_services" / "orders" / "api.py", Path(yaml.__file__)):
        assert enforced.confined.does("append", str(path)).refused == "EACCES"
        assert free.does("append", str(path)).got == 0
        assert enforced.confined.does("change_times", str(path)).refused == "EPERM"
    assert enforced.confined.does("make", str(PLANTED / "orders.py")).refused == "EACCES"
    trap = enforced.state / "data" / "intruder" / "link"
    assert enforced.confined.does("link", str(trap), str(enforced.state / "installation.json")).refused == "EACCES"
    assert enforced.confined.does("names", str(enforced.state)).refused == "EACCES"


@pytest.mark.parametrize("port", ["admin", "identity", "profiles", "storefront", "alerts", "public"])
def test_ports_that_are_not_its_business(enforced: House, free: Intruder, port: str) -> None:
    assert enforced.confined.does("tcp", enforced.ports[port]).refused == "EACCES"
    assert free.does("tcp", enforced.ports[port]).got == "connected"


@pytest.mark.parametrize("port", ["orders", "redis", "collector", "internal", "intruder"])
def test_ports_that_are(enforced: House, port: str) -> None:
    allowed = enforced.confined.does("tcp", enforced.ports[port])
    assert (allowed.got, allowed.refused) == (("connected", None) if port != "intruder" else (None, "EACCES"))


def test_the_trace_collector_asks_for_a_secret(house: House) -> None:
    port = house.ports["collector"]
    request = f"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n"
    assert house.confined.does("ask_redis", f"redis://127.0.0.1:{port}", request).got == ["HTTP/1.1 401 Unauthorized"]


@pytest.mark.parametrize("way", ["tcp", "mptcp", "fast_open", "udp"])
def test_ways_out(enforced: House, free: Intruder, listener: dict[str, Any], way: str) -> None:
    """Landlock stops the first; the others, which it does not see, the filter of system calls."""
    port = listener["udp" if way == "udp" else "tcp"]
    freely = free.does(way, port)
    assert enforced.confined.does(way, port).refused == ("EACCES" if way == "tcp" else "EPERM")
    if freely.refused in ("EPROTONOSUPPORT", "ENOPROTOOPT", "EOPNOTSUPP"):
        pytest.skip(f"this kernel has no {way}")
    assert freely.got


def test_it_listens_nowhere_else(enforced: House, free: Intruder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert enforced.confined.does("listen", port).refused == "EACCES"
    assert free.does("listen", port).got == "listens"


def test_unix_sockets_of_any_kind(enforced: House, free: Intruder, listener: dict[str, Any]) -> None:
    """Each leads to somebody who is not confined: an agent for keys, Docker, systemd, a terminal multiplexer."""
    for path in (listener["unix"], listener["abstract"]):
        assert enforced.confined.does("unix", path).refused == "EPERM"
        assert free.does("unix", path).got == "connected"
    assert enforced.confined.does("unix_by_a_pair", listener["datagrams"]).refused == "EPERM"
    assert free.does("unix_by_a_pair", listener["datagrams"]).got == 1


def test_the_supervisor_answers_nobody_without_the_secret(house: House, free: Intruder) -> None:
    """Also where the kernel lets somebody connect; and it is counted."""
    before = house.ask(do="ps")["strangers"]
    path = str(house.state / "supervisor.sock")
    for question in ({"do": "down"}, {"do": "stop", "name": "orders", "secret": "guessed"}):
        assert "needs the secret" in free.does("unix", path, json.dumps(question)).got
    assert house.ask(do="ps")["strangers"] == before + 2
    assert json.loads(house.admin("/services"))["strangers"] == before + 2
    if house.row["isolation"].startswith("enforced"):
        assert house.confined.does("unix", path, '{"do": "down"}').refused == "EPERM"


def test_control_takes_nobody_for_a_worker(house: House, free: Intruder) -> None:
    hello = {"type": "hello", "role": "edge", "worker": "gateway-1", "pid": 1, "version": None, "secret": "guessed"}
    path = str(house.state / "control.sock")
    assert free.does("unix", path, json.dumps(hello)).got == ""
    assert "gateway_control_channel_errors_total 1.0" in house.admin("/metrics")
    if house.row["isolation"].startswith("enforced"):
        assert house.confined.does("unix", path, json.dumps(hello)).refused == "EPERM"


@pytest.mark.parametrize("victim", ["supervisor", "control", "gateway-1", "orders", "redis"])
def test_other_processes(enforced: House, free: Intruder, victim: str) -> None:
    pid = enforced.pid(victim)
    attacks: dict[str, tuple[Any, ...]] = {
        "read": (f"/proc/{pid}/environ",), "descriptors": (pid,), "memory": (pid,), "trace": (pid,),
        "signal": (pid,), "limit": (pid,), "pin": (pid,), "slow_down": (pid,),
    }  # fmt: skip
    refused = {what: enforced.confined.does(what, *with_).refused for what, with_ in attacks.items()}
    assert refused == {
        "read": "EACCES", "descriptors": "EACCES", "memory": "EACCES", "trace": "EPERM",
        "signal": "EPERM", "limit": "EPERM", "pin": "EPERM", "slow_down": "EPERM",
    }  # fmt: skip
    assert [free.does(what, pid).refused for what in ("signal", "limit", "pin", "slow_down")] == [None] * 4
    if victim in ("supervisor", "control", "gateway-1") and free.does("trace", pid).refused is None:  # Yama may forbid
        assert free.does("memory", pid).got == 16


@pytest.mark.parametrize("way", ["shell", "fork", "become_a_shell", "ring", "root_of_a_namespace"])
def test_nothing_is_started(enforced: House, free: Intruder, way: str) -> None:
    before = enforced.pid("intruder")
    assert enforced.confined.does(way).refused == "EPERM"
    assert enforced.pid("intruder") == before
    if way in ("shell", "fork"):
        assert free.does(way).got == {"shell": "out\n", "fork": 7}[way]


def test_memory_is_bounded(enforced: House, free: Intruder) -> None:
    assert enforced.confined.does("eat", 600).refused == "ENOMEM"
    assert free.does("eat", 600).got == 600 << 20


def test_what_does_not_hold(enforced: House) -> None:
    """As docs/isolation.md says: should one of these be refused some day, that page is out of date."""
    confined = enforced.confined
    assert confined.does("size", str(enforced.state / "installation.json")).got  # that it is there, and how large
    assert confined.does("listen_anywhere").got > 1023  # on a port that the kernel chooses
    assert confined.does("cut_off_its_log") == (None, None)


def test_in_redis_it_is_itself_and_nobody_else(house: House) -> None:
    """That is Redis' own work: the port is open to it."""
    password = json.loads((house.state / "installation.json").read_text())["redis"]["intruder"]
    url = f"redis://127.0.0.1:{house.ports['redis']}/0"
    said = house.confined.does(
        "ask_redis", url, "XLEN events:orders", "AUTH orders guessed", f"AUTH intruder {password}", "PING",
        "XLEN events:orders", "ACL LIST",
    )  # fmt: skip
    assert [answer.split()[0] for answer in said.got] == ["-NOAUTH", "-WRONGPASS", "+OK", "+PONG", "-NOPERM", "-NOPERM"]


def test_every_service_says_what_holds_for_it(house: House, until: Callable[..., Any]) -> None:
    rows = {row["name"]: row for row in json.loads(house.admin("/services"))["processes"]}
    running = [row for row in rows.values() if row["kind"] in ("service", "redis") and row["state"] == "running"]
    assert {"intruder", "redis", "identity", "orders", "payments"} <= {row["name"] for row in running}
    assert {row["isolation"] for row in running} == {house.row["isolation"]}
    assert {rows[name]["isolation"] for name in ("control", "gateway-1", "supervisor", "guard")} == {"none"}
    assert all(row["pss_bytes"] for row in running) or sys.platform != "linux"


def test_it_holds_after_a_restart_and_is_known_to_a_successor(house: House, until: Callable[..., Any]) -> None:
    known = house.row["isolation"]
    os.kill(house.pid("supervisor"), 9)
    until(lambda: _fresh(house))
    assert house.processes()["intruder"]["isolation"] == known
    house.ask(do="restart", name="intruder")
    assert house.processes()["intruder"]["isolation"] == known


def test_in_a_mesh_it_has_its_sidecar_and_no_other_way(
    tmp_path_factory: pytest.TempPathFactory, free: Intruder
) -> None:
    with living_in(tmp_path_factory.mktemp("m"), mesh=str(default_mesh())) as house:
        if not house.row["isolation"].startswith("enforced"):
            pytest.skip(house.row["isolation"])
        rows = house.processes()
        sidecars = {name: row for name, row in rows.items() if row["kind"] == "sidecar"}
        assert {"intruder-sidecar", "orders-sidecar", "identity-sidecar"} <= set(sidecars)
        assert {row["isolation"] for row in sidecars.values()} == {house.row["isolation"]}
        for port in (house.ports["orders"], *(row["port"] for row in sidecars.values()), rows["authority"]["port"]):
            assert house.confined.does("tcp", port).refused == "EACCES"
            assert free.does("tcp", port).got == "connected"
        for path in ("mesh/root.key", "data/orders-sidecar/last-good.json", "data/intruder-sidecar/last-good.json"):
            assert house.confined.does("read", str(house.state / path)).refused == "EACCES"
            assert free.does("read", str(house.state / path)).got
        own = rows["intruder-sidecar"]["pid"]  # of the same service, with its key in memory
        assert house.confined.does("memory", own).refused == "EACCES"
        assert house.confined.does("unix", str(house.state / "authority.sock")).refused == "EPERM"


def _fresh(house: House) -> bool:
    try:
        return any(row["name"] == "supervisor" and row["restarts"] for row in house.ask(do="ps")["processes"])
    except (OSError, ValueError):
        return False
