"""What the filter decides, by running its instructions as the kernel does. That the kernel takes it: test_confined."""

from __future__ import annotations

import errno
import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mesh.isolation import seccomp
from gateway.mesh.isolation.seccomp import ALLOW, ARCHITECTURES, ERRNO, KILL, OF_A_PROCESS, PROGRAMS, REFUSED, program

MACHINES = sorted(ARCHITECTURES)
UNIX, INET, INET6, NETLINK, PACKET = 1, 2, 10, 16, 17
STREAM, DATAGRAM, RAW, CLOSE_ON_EXEC, NON_BLOCKING = 1, 2, 3, 0o2000000, 0o4000
TCP, UDP, MPTCP, SCTP = 6, 17, 262, 132
EPERM = ERRNO | errno.EPERM


def decide(code: list[seccomp.Instruction], architecture: int, number: int, *arguments: int) -> int:
    """seccomp_data(2) through the classic packet filter."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    loaded = place = 0
    while True:
        kind, then, otherwise, value = code[place]
        place += 1
        if kind == seccomp.LOAD:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif kind == seccomp.AND:
            loaded &= value
        elif kind == seccomp.RETURN:
            return value
        else:
            answers = {
                seccomp.JUMP_EQUAL: loaded == value,
                seccomp.JUMP_GREATER: loaded >= value,
                seccomp.JUMP_SET: bool(loaded & value),
            }
            place += then if answers[kind] else otherwise


class Machine:
    def __init__(self, name: str, *, programs: bool = False) -> None:
        self.architecture, self.column = ARCHITECTURES[name]
        self.code = program(name, programs=programs)

    def does(self, numbers: seccomp.Number, *arguments: int) -> int:
        number = numbers[self.column]
        assert number is not None
        return decide(self.code, self.architecture, number, *arguments)


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


def test_only_tcp_sockets(machine: Machine) -> None:
    for family, flags, protocol in itertools.product((INET, INET6), (0, CLOSE_ON_EXEC | NON_BLOCKING), (0, TCP)):
        assert machine.does(seccomp.SOCKET, family, STREAM | flags, protocol) == ALLOW
    refused = [
        (UNIX, STREAM, 0), (UNIX, DATAGRAM, 0), (INET, DATAGRAM, 0), (INET, DATAGRAM, UDP), (INET, STREAM, MPTCP),
        (INET, STREAM, SCTP), (INET, RAW, 1), (NETLINK, RAW, 0), (PACKET, RAW, 0),
        (INET6, DATAGRAM, 0), (43, STREAM, 0),
    ]  # fmt: skip
    assert {machine.does(seccomp.SOCKET, *one) for one in refused} == {EPERM}


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.sampled_from(MACHINES))
def test_no_other_socket_whatever_is_asked(family: int, kind: int, protocol: int, name: str) -> None:
    allowed = family in (INET, INET6) and kind & 15 == STREAM and protocol in (0, TCP)
    assert Machine(name).does(seccomp.SOCKET, family, kind, protocol) == (ALLOW if allowed else EPERM)


def test_pairs_of_streams_only(machine: Machine) -> None:
    """Event loops need them; a datagram socket could be connected once more, to somebody else."""
    assert machine.does(seccomp.SOCKETPAIR, UNIX, STREAM | NON_BLOCKING, 0) == ALLOW
    assert machine.does(seccomp.SOCKETPAIR, UNIX, DATAGRAM, 0) == EPERM


def test_no_connection_hidden_in_a_send(machine: Machine) -> None:
    for numbers, flags in seccomp.SENDS:
        before = [7] * flags
        assert machine.does(numbers, *before, 0x4000) == ALLOW
        assert machine.does(numbers, *before, 0x4000 | seccomp.MSG_FASTOPEN) == EPERM


def test_of_itself_but_of_no_other_process(machine: Machine) -> None:
    assert {machine.does(numbers, 0) for numbers in OF_A_PROCESS} == {ALLOW}
    assert {machine.does(numbers, pid) for numbers in OF_A_PROCESS for pid in (1, 4711)} == {EPERM}


def test_threads_but_no_processes(machine: Machine) -> None:
    assert machine.does(seccomp.CLONE, 0x3D0F00) == ALLOW  # as pthread_create asks
    assert machine.does(seccomp.CLONE, 17) == EPERM  # as fork asks
    assert machine.does(seccomp.CLONE3, 0) == ERRNO | errno.ENOSYS
    existing = [numbers for numbers in PROGRAMS.values() if numbers[machine.column] is not None]
    assert {machine.does(numbers) for numbers in existing} == {EPERM}


@pytest.mark.parametrize("name", MACHINES)
def test_who_may_start_programs_makes_no_namespaces(name: str) -> None:
    machine = Machine(name, programs=True)
    existing = [numbers for numbers in PROGRAMS.values() if numbers[machine.column] is not None]
    assert {machine.does(numbers) for numbers in existing} == {ALLOW}
    assert machine.does(seccomp.CLONE, 17) == ALLOW
    assert machine.does(seccomp.CLONE, 17 | 0x1000_0000) == EPERM  # CLONE_NEWUSER


def test_what_is_refused_by_its_number(machine: Machine) -> None:
    existing = {name: numbers for name, numbers in REFUSED.items() if numbers[machine.column] is not None}
    assert {name for name, numbers in existing.items() if machine.does(numbers) != EPERM} == set()
    harmless = [number for number in range(500) if decide(machine.code, machine.architecture, number) == ALLOW]
    assert len(harmless) > 350


def test_no_other_numbering_of_the_same_calls() -> None:
    """32-bit calls on a 64-bit machine, and x32, which has the same architecture."""
    for name in MACHINES:
        assert decide(program(name, programs=False), 0x4000_0003, 1) == KILL
    x86 = Machine("x86_64")
    assert decide(x86.code, x86.architecture, 0x4000_0000 + 41, INET, STREAM) == ERRNO | errno.ENOSYS


def test_another_machine_gets_no_filter() -> None:
    with pytest.raises(OSError, match="riscv64"):
        program("riscv64", programs=False)
