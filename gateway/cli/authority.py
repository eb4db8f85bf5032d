"""Commanding the mesh's certificate authority."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.instance import Instance


def ask_authority(instance: Instance, question: dict[str, Any]) -> dict[str, Any]:
    """One question; the answer.

    Raises:
        Failure: there is no mesh, the authority is away, or it refuses.
    """
    if not instance.authority_socket:
        raise Failure("This instance runs without a mesh.", "Start it with: gatehouse up --mesh")
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(10)
        try:
            connection.connect(instance.authority_socket)
            connection.sendall(json.dumps(question | {"secret": instance.authority_secret}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(connection.makefile("rb").readline() or b"{}")
        except (OSError, ValueError) as error:
            raise Failure(f"The authority cannot be asked: {error}", "gatehouse ps shows whether it runs") from None
    if "error" in answer or not answer:
        raise Failure(f"The authority refuses: {answer.get('error', 'no answer')}")
    return answer
