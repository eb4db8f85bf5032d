"""A store: a Redis that workers and gateways share (limits that count together; whatever else must be known to all).

The problem: asking Redis costs a client library more than a whole request costs us, and a Redis that is away must
not hold up everybody. The rule:

- Questions that wait at the same time go out together, as one pipeline on one connection; while it is under way, later
  ones collect. So each sees one round trip, and the library's work is shared among them (redis-py 8.1 with hiredis:
  71 µs for a question alone, 22 µs each when eight go together, 16 µs at thirty-two).
- A question is answered within `timeout`, the wait for the pipeline before it included, or it has failed. Then the
  connection is thrown away: an answer that comes late must never be taken for that to another question.
- After a failure every question fails at once for `cooldown`; then the next one finds out whether Redis is back.
- What a failure means is for the asker to say, who gives two functions: one makes a result of Redis' answer, one
  makes a result without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gateway.observability.metrics import Metrics
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.redis_account import Account, Script, Word

if TYPE_CHECKING:
    from redis.asyncio import Connection

T = TypeVar("T")

log = logging.getLogger("gateway.store")


@dataclass(slots=True)
class _Question(Generic[T]):
    command: tuple[Word, ...]
    script: Script | None
    answered: Callable[[Any], T]
    failed: Callable[[], T]
    future: asyncio.Future[T]


class Store:
    """The observed state of one store: its connection, the questions that wait, and whether it is away."""

    def __init__(self, spec: StoreSpec, account: Account, metrics: Metrics, clock: Callable[[], float]) -> None:
        """`clock` tells monotonic seconds, for the cool-down."""
        import redis.asyncio  # noqa: F401  (130 ms: here, beside the requests, not when the first one asks)

        self.spec = spec
        self.account = account
        self.connections_made = 0
        self.pipelines = 0
        self._counts = metrics.store_questions
        self._clock = clock
        self._down_until = float("-inf")
        self._connection: Connection | None = None
        self._waiting: list[_Question[Any]] = []
        self._deadline = 0.0
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Store {self.spec.name} {self.account.address}{' down' if self.down else ''}>"

    @property
    def down(self) -> bool:
        """Whether it failed so recently that it is not asked at all."""
        return self._clock() < self._down_until

    def ask(
        self, command: Sequence[Word], answered: Callable[[Any], T], failed: Callable[[], T]
    ) -> T | asyncio.Future[T]:
        """A command's result, later; at once while the store is down.

        Args:
            answered: makes the result of Redis' answer (bytes, int, None or a list of these).
            failed: makes the result when there is no answer.
        """
        return self._ask(tuple(command), None, answered, failed)

    def run(
        self,
        script: Script,
        keys: Sequence[Word],
        arguments: Sequence[Word],
        answered: Callable[[Any], T],
        failed: Callable[[], T],
    ) -> T | asyncio.Future[T]:
        """A script's result, as `ask`."""
        return self._ask(("EVALSHA", script.digest, len(keys), *keys, *arguments), script, answered, failed)

    def _ask(
        self,
        command: tuple[Word, ...],
        script: Script | None,
        answered: Callable[[Any], T],
        failed: Callable[[], T],
    ) -> T | asyncio.Future[T]:
        if self.down:
            self._counts.add(self.spec.name, "skipped")
            return failed()
        loop = asyncio.get_running_loop()
        question = _Question(command, script, answered, failed, loop.create_future())
        if not self._waiting:
            self._deadline = loop.time() + self.spec.timeout
        self._waiting.append(question)
        if self._task is None:
            self._task = loop.create_task(self._talk())
        return question.future

    async def close(self) -> None:
        """Let go: what waits has failed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._drop()

    # -- the conversation ------------------------------------------------------------------------------------

    async def _talk(self) -> None:
        """Pipeline after pipeline, for as long as somebody waits."""
        try:
            while self._waiting:
                questions, self._waiting = self._waiting, []
                if self.down:  # they came while the pipeline before them failed
                    self._fail(questions)
                else:
                    await self._round(questions)
        finally:
            self._task = None
            waiting, self._waiting = self._waiting, []
            self._fail(waiting)

    async def _round(self, questions: list[_Question[Any]]) -> None:
        """One pipeline; afterwards each of its questions has a result."""
        from redis.exceptions import RedisError

        answers: list[Any] = []
        good = 0
        try:
            self.pipelines += 1
            async with asyncio.timeout_at(self._deadline):
                answers = await self._answers([one.command for one in questions])
                await self._teach(questions, answers)
            refused = next((one for one in answers if isinstance(one, RedisError)), None)
        except Exception as error:  # whatever it was: the connection is in doubt, and nobody may wait for ever
            await self._away(error, _why(error))
            answers = []
        else:
            if refused is not None:
                await self._away(refused, "refused")
        finally:
            self._fail(questions[len(answers) :])
        for question, answer in zip(questions, answers, strict=False):
            if isinstance(answer, RedisError):
                self._fail([question])
            else:
                _settle(question, question.answered, answer)
                good += 1
        self._counts.add(self.spec.name, "answered", amount=good)

    async def _answers(self, commands: list[tuple[Word, ...]]) -> list[Any]:
        """A kept connection may have been closed while nobody asked: that is no failure yet, and a fresh one tells."""
        from redis.exceptions import ConnectionError as Broken

        if self._connection is not None:
            try:
                return await self._exchange(commands)
            except (Broken, OSError):
                await self._drop()
        return await self._exchange(commands)

    async def _exchange(self, commands: list[tuple[Word, ...]]) -> list[Any]:
        """Send all, read all; an error that Redis answers is an answer like any."""
        from redis.exceptions import ResponseError

        connection = self._connection
        if connection is None:
            connection = self._connection = self.account.connection(self.spec.timeout)
            self.connections_made += 1
            await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(await connection.read_response())
            except ResponseError as error:
                answers.append(error)
        return answers

    async def _teach(self, questions: list[_Question[Any]], answers: list[Any]) -> None:
        """A Redis that was restarted does not know the scripts: those questions go out again, with their script."""
        from redis.exceptions import NoScriptError

        unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if not unknown:
            return
        commands: list[tuple[Word, ...]] = []
        for question in (questions[place] for place in unknown):
            assert question.script is not None
            commands.append(("EVAL", question.script.text, *question.command[2:]))
        for place, answer in zip(unknown, await self._exchange(commands), strict=True):
            answers[place] = answer

    async def _away(self, error: Exception, why: str) -> None:
        self._down_until = self._clock() + self.spec.cooldown
        self._counts.add(self.spec.name, why)
        fault = error if why == "fault" else None
        told = str(error) or why
        log.warning("store %s: %s; not asked for %g s", self.spec.name, told, self.spec.cooldown, exc_info=fault)
        await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _fail(self, questions: list[_Question[Any]]) -> None:
        if questions:
            self._counts.add(self.spec.name, "failed", amount=len(questions))
        for question in questions:
            _settle(question, question.failed)


def _why(error: Exception) -> str:
    from redis.exceptions import RedisError

    if isinstance(error, TimeoutError):
        return "timeout"
    return "unreachable" if isinstance(error, RedisError | OSError) else "fault"


def _settle(question: _Question[T], result: Callable[..., T], *answer: Any) -> None:
    """Give the asker a result, or the exception that came of making it; nobody waits where the client has left."""
    if question.future.done():
        return
    try:
        question.future.set_result(result(*answer))
    except Exception as error:  # the asker's own code failed: the asker gets to know, the others their answers
        question.future.set_exception(error)
