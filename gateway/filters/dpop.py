"""DPoP: a token that is bound to a key is good only with a proof, made with that key for this one request (RFC 9449).

The problem: a token that was stolen from a log or a page works for whoever sends it. The rule: behind a JWT filter with
`dpop: true` a bound token comes with a header `DPoP`, a small JWT that names method, address and token and is signed
with the token's key; each is good for `maxAge` and once. Ids of used proofs are remembered until the proofs are too old
anyway; only holders of valid tokens get that far. When `maxProofs` are remembered, more are refused: forgetting one
would let it be used again.

A worker that remembers for itself cannot know what the next one has seen: with two of them a copy of a proof can pass
once more. With a store they all ask in one place, and looking and remembering are one step there.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.binding import BY_KEY
from gateway.filters.jose import BadToken
from gateway.filters.proof import AHEAD, ALGORITHMS, check_proof
from gateway.http.messages import Reply, Request
from gateway.spec.identity import Dpop

OVERFLOW: Final = Reply(503, "dpop_overflow", "too many proofs are remembered at the moment")
UNAVAILABLE: Final = Reply(503, "dpop_store_unavailable", "which proofs were used cannot be asked at the moment")


USED_BEFORE: Final = "the proof was used before; make one for each request"


class Used:
    """Proofs until they are too old to be sent again, in the order in which they end."""

    __slots__ = ("_ends", "_known")

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._ends: deque[tuple[float, bytes]] = deque()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, proof: bytes) -> bool:
        return proof in self._known

    def add(self, proof: bytes, ends: float) -> None:
        """Remember it at least until then (seconds since 1970)."""
        self._known.add(proof)
        self._ends.append((ends, proof))

    def forget(self, now: float) -> None:
        """Let go of those that have ended."""
        while self._ends and self._ends[0][0] < now:
            self._known.discard(self._ends.popleft()[1])


class DpopFilter(Filter[Dpop]):
    """Requires a fresh proof for each request with a bound token."""

    Spec = Dpop

    def __init__(self, spec: Dpop, build: Build) -> None:
        super().__init__(spec, build)
        self._wall = build.wall
        self._used = Used()
        self._passed: tuple[Request, bytes] | None = None
        self._store = build.stores[spec.store] if spec.store else None
        self._undecided = build.metrics.undecided

    def decide(self, request: Request) -> Decision:
        """Pass, 401, 503 when nothing more can be remembered, or wait for the store."""
        passed = self.preview(request)
        if self._store is None or passed is not None or self._passed is None:
            return passed
        name = f"dpop:{self._passed[1].hex()}"
        seconds = self.spec.max_age + AHEAD
        command = ("SET", name, "used", "NX", "PX", int(seconds * 1000))
        return self._store.ask(command, self._answered, self._failed)

    def _answered(self, was_new: Any) -> Verdict:
        return None if was_new else REPLAYED

    def _failed(self) -> Verdict:
        choice = self.spec.on_store_failure or "fail_closed"
        self._undecided.add(self.spec.type, self.spec.store or "", choice)
        return UNAVAILABLE if choice == "fail_closed" else None

    def preview(self, request: Request) -> Decision:
        """What this worker can say by itself; nothing is used up."""
        self._passed = None
        key = _key_of(request)
        if key is None:
            if self.spec.required:
                return _refused("token_not_bound", "only tokens that are bound to a key are good here (RFC 9449)")
            return None
        if b"authorization" not in request.fields:
            return None  # asked by `gatehouse explain --claims`: there is no token that a proof could be for
        try:
            self._passed = (request, self._proven(request, key))
        except BadToken as bad:
            return _refused(bad.reason, bad.detail)
        self._used.forget(self._wall())
        return OVERFLOW if len(self._used) >= self.spec.max_proofs else None

    def _proven(self, request: Request, key: str) -> bytes:
        sent = request.all(b"dpop")
        if len(sent) != 1:
            raise BadToken("dpop_missing", "send one proof in the header DPoP")
        token = request.fields[b"authorization"].partition(b" ")[2]
        base = self.spec.base_url or f"{request.scheme}://{request.host}"
        proof = check_proof(sent[0], request, base, token, key, self._wall(), self.spec.max_age)
        if proof in self._used:
            raise BadToken("dpop_replayed", USED_BEFORE)
        return proof

    def commit(self, request: Request) -> None:
        """The proof is used up."""
        if self._store is None and self._passed is not None and self._passed[0] is request:
            self._used.add(self._passed[1], self._wall() + self.spec.max_age + AHEAD)
            self._passed = None

    def kept_with(self, build: Build) -> bool:
        """Only while its store is the same."""
        return self.spec.store is None or self._store is build.stores.get(self.spec.store)

    def explain(self, request: Request, reply: Verdict) -> str:
        """To which key the token is bound."""
        if reply is not None:
            return reply.detail
        key = _key_of(request)
        return f"bound to key {key}" if key else "a token that is bound to nothing"


def _key_of(request: Request) -> str | None:
    """The thumbprint of the key that the verified token names."""
    confirmation = (request.claims or {}).get("cnf")
    key = confirmation.get(BY_KEY) if isinstance(confirmation, dict) else None
    return key if isinstance(key, str) else None


def _refused(reason: str, detail: str) -> Reply:
    """401 with the challenge of RFC 9449 section 7.1."""
    error = "invalid_token" if reason == "token_not_bound" else "invalid_dpop_proof"
    challenge = f'DPoP realm="gatehouse", error="{error}", error_description="{reason}", algs="{" ".join(ALGORITHMS)}"'
    return Reply(401, reason, detail, ((b"www-authenticate", challenge.encode("ascii")),))


REPLAYED: Final = _refused("dpop_replayed", USED_BEFORE)
