"""What an attacker does from inside a service's process, who has its settings and runs any code there.

A service like the others: it listens on its port, and answers `{"do": NAME, "with": [ARGUMENTS]}` with
`{"got": WHAT}` or `{"refused": ERRNO}`. Nothing here helps the defence: it is the same program with isolation and
without.
"""

# One system call each, by its name: that is what is refused.
# ruff: noqa: PTH101, PTH108, PTH116, PTH123, PTH208, PTH211

from __future__ import annotations

import base64
import ctypes
import errno
import http.server
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
MPTCP = 262
FAST_OPEN = 0x2000_0000
ATTACKS: dict[str, Callable[..., Any]] = {}


def attack(do: Callable[..., Any]) -> Callable[..., Any]:
    ATTACKS[do.__name__] = do
    return do


def call(number: int, *arguments: Any) -> int:
    result: int = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@attack
def who() -> dict[str, Any]:
    return {"pid": os.getpid(), "home": os.environ.get("HOME"), "tmp": os.environ.get("TMPDIR")}


@attack
def read(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()[:100]).decode()


@attack
def names(path: str) -> int:
    return len(os.listdir(path))


@attack
def append(path: str) -> int:
    with open(path, "ab") as file:
        return file.write(b"")


@attack
def make(path: str) -> str:
    with open(path, "x"):
        return path


@attack
def remove(path: str) -> None:
    os.unlink(path)


@attack
def link(path: str, target: str) -> None:
    os.symlink(target, path)


@attack
def change_mode(path: str) -> None:
    os.chmod(path, os.stat(path).st_mode & 0o7777)


@attack
def change_times(path: str) -> None:
    os.utime(path)


@attack
def tcp(port: int, host: str = "127.0.0.1") -> str:
    with socket.create_connection((host, port), timeout=5):
        return "connected"


@attack
def mptcp(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP) as one:
        one.settimeout(5)
        one.connect(("127.0.0.1", port))
        return "connected"


@attack
def fast_open(port: int) -> str:
    with socket.socket() as one:
        one.sendto(b"x", FAST_OPEN, ("127.0.0.1", port))
        return str(one.getpeername()[0])


@attack
def udp(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"x", ("127.0.0.1", port))


@attack
def listen(port: int) -> str:
    with socket.create_server(("127.0.0.1", port)):
        return "listens"


@attack
def listen_anywhere() -> int:
    with socket.socket() as one:
        one.listen()
        return int(one.getsockname()[1])


@attack
def size(path: str) -> int:
    return os.stat(path).st_size


@attack
def cut_off_its_log() -> None:
    os.ftruncate(2, 0)


@attack
def unix(path: str, say: str = "") -> str:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(5)
        one.connect(f"\0{path[1:]}" if path.startswith("@") else path)
        if say:
            one.sendall(say.encode() + b"\n")
            return one.makefile().readline()
        return "connected"


@attack
def unix_by_a_pair(path: str) -> int:
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, other:
        ours.connect(path)
        return ours.send(b"x")


@attack
def signal(pid: int) -> None:
    os.kill(pid, 0)


@attack
def trace(pid: int) -> int:
    attached = LIBC.ptrace(0x4206, pid, 0, 0)  # PTRACE_SEIZE: does not stop it
    if attached < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    return int(LIBC.ptrace(17, pid, 0, 0))


@attack
def memory(pid: int) -> int:
    with open(f"/proc/{pid}/maps", "rb") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as inside:
        inside.seek(int(maps.readline().split(b"-")[0], 16))
        return len(inside.read(16))


@attack
def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


@attack
def limit(pid: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_CORE, resource.prlimit(pid, resource.RLIMIT_CORE))


@attack
def pin(pid: int) -> None:
    os.sched_setaffinity(pid, os.sched_getaffinity(pid))


@attack
def slow_down(pid: int) -> None:
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))


@attack
def ring() -> int:
    parameters = ctypes.create_string_buffer(120)
    fd = call(425, 1, parameters)
    os.close(fd)
    return fd


@attack
def shell() -> str:
    return subprocess.run(["/bin/sh", "-c", "echo out"], capture_output=True, text=True, check=True).stdout


@attack
def fork() -> int:
    if (pid := os.fork()) == 0:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@attack
def become_a_shell() -> str:
    os.execv("/bin/sh", ["sh", "-c", "exit 0"])


@attack
def root_of_a_namespace() -> int:
    return call(272, 0x1000_0000)  # unshare(CLONE_NEWUSER)


@attack
def eat(mebibytes: int) -> int:
    try:
        return len(bytearray(mebibytes << 20))
    except MemoryError:
        raise OSError(errno.ENOMEM, "no memory") from None


@attack
def ask_redis(url: str, *lines: str) -> list[str]:
    host, _, port = url.removeprefix("redis://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as one, one.makefile("rw") as talk:
        answers = []
        for line in lines:
            talk.write(f"{line}\r\n")
            talk.flush()
            answers.append(talk.readline().strip())
        return answers


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.answer({"got": ATTACKS[asked["do"]](*asked["with"])})
        except OSError as error:
            self.answer({"refused": errno.errorcode.get(error.errno or 0, repr(error))})

    def answer(self, document: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        pass


def leave_with_supervisor(fd: int) -> None:
    os.read(fd, 1)
    os._exit(0)


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[sys.argv.index("--settings-fd") + 1])) as pipe:
        settings = json.load(pipe)
    threading.Thread(target=leave_with_supervisor, args=(settings["lifeline_fd"],), daemon=True).start()
    http.server.HTTPServer((settings["host"], settings["port"]), Handler).serve_forever()
