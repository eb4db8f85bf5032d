"""What several parts of a configuration say in the same way."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.spec.base import Model
from gateway.spec.fields import File, Name

AuditAccept = dict[Name, Annotated[str, Field(min_length=3, max_length=300)]]
"""Findings of `gatehouse audit` that are wanted here: the check's id and the reason."""


class Certificate(Model):
    """A certificate chain, the server's or client's own first, and its private key; both PEM."""

    cert: File
    key: File
