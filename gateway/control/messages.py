"""What workers and the control process say to each other: one JSON object per line, both ways.

The problem: a worker that runs wild must not take the control process with it. The rule: every message is
checked against its model before anything looks at it, and lists, names and texts have limits.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from gateway.observability.outcomes import BOUNDS, Outcomes

MAX_LINE = 16 * 1024 * 1024

Text = Annotated[str, StringConstraints(max_length=4_096)]
ProcessName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,127}$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
Labels = dict[LabelName, Annotated[str, StringConstraints(max_length=1_024)]]


class Message(BaseModel):
    """Unknown fields are ignored, so that either side can be newer."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Hello(Message):
    """A worker introduces itself; `version` is the configuration it already serves."""

    type: Literal["hello"]
    role: Text
    worker: ProcessName
    pid: int = Field(gt=0)
    version: int | None = None
    service: Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9-]{0,30})?$")] = ""
    """Of a sidecar: whose it is."""
    address: Annotated[str, StringConstraints(pattern=r"^([0-9.]{7,15}:[0-9]{1,5})?$")] = ""
    """Of a sidecar: where others reach it."""
    secret: Annotated[str, StringConstraints(max_length=100)] = Field("", repr=False)
    """Of a worker, which has no certificate: what the supervisor told it."""


class Ack(Message):
    """A worker serves a version, or says why it does not."""

    type: Literal["ack"]
    version: int
    accepted: bool
    error: Text | None = None
    stall_ms: float | None = None


class Exemplar(Message):
    """One observed request that a count can be traced to."""

    labels: Labels = Field(max_length=8)
    value: float
    timestamp: float | None = None


Sample = tuple[MetricName, Labels, float, Exemplar | None]


class FamilyMessage(Message):
    """One metric family with cumulative values."""

    name: MetricName
    type: Literal["counter", "gauge", "histogram"]
    help: Text = ""
    unit: Text = ""
    samples: list[Sample] = Field(max_length=200_000)


class SideReport(Message):
    """How the requests of one side of a canary ended, since it exists."""

    requests: int = Field(ge=0)
    failures: int = Field(ge=0)
    times: list[tuple[Annotated[int, Field(ge=0, le=len(BOUNDS))], Annotated[int, Field(ge=0)]]] = Field(max_length=200)

    def outcomes(self) -> Outcomes:
        """As numbers to calculate with."""
        return Outcomes(self.requests, self.failures, dict(self.times))


class CanaryReport(Message):
    """Both sides of a route's canary; `of`: which block of the configuration it was read from."""

    of: Text
    canary: SideReport
    stable: SideReport


class Stats(Message):
    """A worker's numbers, every second."""

    type: Literal["stats"]
    families: list[FamilyMessage] = Field(max_length=500)
    clusters: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=2_000)
    certificate_expires: float | None = None
    canaries: dict[str, CanaryReport] = Field(default_factory=dict, max_length=2_000)
    """By route."""
    rss_bytes: int = 0


class Requests(Message):
    """The latest access records."""

    type: Literal["requests"]
    records: list[dict[str, Any]] = Field(max_length=2_000)


class Step(Message):
    """What one filter said of a request."""

    filter: Text
    verdict: Text
    detail: Text = ""
    where: Text = ""


class PastExplanation(Message):
    """What happened to one request; the worker drew its ids, or had them from a proxy that it trusts."""

    trace_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    span_id: Text
    request_id: Text = ""
    time: Text
    method: Text = ""
    target: Text = ""
    host: Text = ""
    listener: Text = ""
    client: Text = ""
    subject: Text = ""
    version: int = 0
    route: dict[str, Text | bool] | None = Field(None, max_length=20)
    seen: list[tuple[Text, Text]] = Field(default_factory=list, max_length=100)
    steps: list[Step] = Field(default_factory=list, max_length=100)
    candidates: list[dict[str, Text | bool]] = Field(default_factory=list, max_length=20)
    outcome: Text
    decided_by: Text
    status: int
    reason: Text = ""
    detail: Text = ""
    policy: Text = ""
    cluster: dict[str, Text | int | float] | None = Field(None, max_length=20)
    duration_ms: float = 0.0
    sampled: bool = False
    token_seconds: float | None = None


class Explanations(Message):
    """What happened to denied and to sampled requests; `dropped`: how many more there was no room for."""

    type: Literal["explanations"]
    explanations: list[PastExplanation] = Field(max_length=1_000)
    dropped: int = Field(0, ge=0)


class Answer(Message):
    """A worker's answer to a question."""

    type: Literal["answer"]
    id: Text
    result: dict[str, Any]


FromWorker = Hello | Ack | Stats | Requests | Explanations | Answer
_ADAPTER: TypeAdapter[FromWorker] = TypeAdapter(Annotated[FromWorker, Field(discriminator="type")])


def parse(line: bytes) -> FromWorker:
    """A worker's message.

    Raises:
        ValueError: not JSON, or none of the known messages.
    """
    return _ADAPTER.validate_json(line)


def encode(message: dict[str, Any]) -> bytes:
    """One line to send."""
    return orjson.dumps(message) + b"\n"
