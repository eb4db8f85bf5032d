"""The running installation: where its state is, and how a command talks to it.

The problem: a command must find what runs without being told ports or secrets. The rule: the state directory
holds `instance.json` while something runs; it is believed only when it belongs to this user, is closed to
everybody else, and its supervisor is alive. Should that have been killed, a successor takes over within a second,
which a command waits for.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.wire import Answer, send
from gateway.control.supervisor.alive import is_alive
from gateway.control.supervisor.state_dir import default_state_dir, is_locked

SUCCESSOR_WITHIN = 5.0
"""Seconds that a killed supervisor's successor may take."""
HOW_TO_START = "Start it with: gatehouse up --detach"


def state_dir(option: Path | None) -> Path:
    """The state directory: as given, else `GATEHOUSE_STATE_DIR`, else the XDG default."""
    return default_state_dir(os.environ) if option is None else option.expanduser().absolute()


@dataclass(frozen=True)
class Instance:
    """What runs in a state directory, as its supervisor wrote it down when it was ready."""

    state_dir: Path
    supervisor_pid: int
    config: str
    admin_url: str
    supervisor_socket: str
    public_url: str
    collector_url: str = ""
    spans_to: str = ""
    """Where spans go: the collector, or what OTEL_EXPORTER_OTLP_ENDPOINT named at the start."""
    admin_secret: str = field(default="", repr=False)
    authority_socket: str = ""
    """Where the mesh's authority is commanded; empty without a mesh."""
    authority_secret: str = field(default="", repr=False)
    started: str | float = ""
    architecture: str = "gateway"
    """By name: gateway.control.supervisor.architecture."""
    ports: dict[str, int] = field(default_factory=dict)
    ready_seconds: float | None = None
    pss_mib: float | None = None

    def admin(self, method: str, target: str, question: Any = None) -> Any:
        """Ask the admin API; the answer's JSON.

        Raises:
            Failure: it cannot be reached, or it refuses.
        """
        answer = self.admin_answer(method, target, question)
        if not answer.ok:
            raise Failure(f"The admin API answered {answer.status}: {problem_text(answer)}")
        return answer.json()

    def admin_answer(self, method: str, target: str, question: Any = None) -> Answer:
        """Ask the admin API, and leave it to the caller what a refusal means."""
        headers = [("Accept", "application/json")]
        body = b""
        if method != "GET":  # every change needs the secret of this start
            headers.append(("Authorization", f"Bearer {self.admin_secret}"))
            headers.append(("Content-Type", "application/json"))
            body = json.dumps(question or {}).encode()
        return send(self.admin_url, method, target, headers=headers, body=body)

    def supervisor(self, question: dict[str, Any], timeout: float = 30.0) -> dict[str, Any]:
        """Ask the supervisor; its last answer.

        Raises:
            Failure: it is gone, does not answer within `timeout` seconds, or refuses.
        """
        answers = list(_ask(self.supervisor_socket, {**question, "secret": self.admin_secret}, timeout))
        if not answers:
            raise Failure("The supervisor closed the connection without an answer.")
        if answers[-1].get("error"):
            raise Failure(str(answers[-1]["error"]))
        return answers[-1]


def find(option: Path | None) -> Instance:
    """The installation that runs in this state directory.

    Raises:
        Failure: nothing runs there, or its file is not to be believed.
    """
    directory = state_dir(option)
    facts = _settled(directory)
    if facts is None:
        raise Failure(f"Nothing runs in {directory}.", HOW_TO_START)
    known = {item.name for item in fields(Instance)} - {"state_dir"}
    try:
        instance = Instance(state_dir=directory, **{name: facts[name] for name in known if name in facts})
    except TypeError as error:
        raise Failure(f"{directory / 'instance.json'} is incomplete: {error}", HOW_TO_START) from None
    if not is_alive(instance.supervisor_pid):
        raise Failure(f"What ran in {directory} has ended without cleaning up.", HOW_TO_START)
    return instance


def _settled(directory: Path) -> dict[str, Any] | None:
    """What instance.json says, once the supervisor that it names answers or none is to be expected."""
    end = time.monotonic() + SUCCESSOR_WITHIN
    while True:
        facts = _read_private(directory / "instance.json")
        if not facts or time.monotonic() > end or not is_locked(directory):
            return facts
        if is_alive(int(facts.get("supervisor_pid", 0))) and _answers(str(facts.get("supervisor_socket"))):
            return facts
        time.sleep(0.05)


def _answers(path: str) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def private_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that only this user can read.

    Raises:
        Failure: it is absent, open to others, somebody else's, or no JSON object.
    """
    found = _read_private(path)
    if found is None:
        raise Failure(f"{path} is absent.", HOW_TO_START)
    return found


def _read_private(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(1_048_576)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise Failure(f"{path} is not believed: owner {status.st_uid}, mode {status.st_mode & 0o777:o}.")
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Failure(f"{path} is no JSON object.")
    return found


def _ask(path: str, question: dict[str, Any], timeout: float) -> Iterator[dict[str, Any]]:
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(path)
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile("rb") as lines:
                yield from (json.loads(line) for line in lines)
        except TimeoutError:
            raise Failure(f"The supervisor did not answer within {timeout:g} seconds.") from None
        except (OSError, ValueError) as error:
            raise Failure(f"The supervisor cannot be asked: {error}", HOW_TO_START) from None


def problem_text(answer: Answer) -> str:
    """What a problem document (RFC 9457) says, else the start of the body."""
    problem = answer.json()
    if isinstance(problem, dict):
        parts = [problem.get("reason"), problem.get("detail") or problem.get("title")]
        return ": ".join(str(part) for part in parts if part)
    return answer.body[:500].decode("utf-8", "replace")
