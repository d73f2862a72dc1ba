"""The way of one delivery through a worker: input → recognise → output bucket → reply → delete, in this order.

The order is the promise. Whatever is in the queue has not been answered for certain; whatever is answered is in the
output bucket. A worker that dies between any two steps leaves a request whose next receiver either does the rest or
finds the result and only answers again.
"""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeVar

import structlog

from burstlens.clock import Clock
from burstlens.errors import BurstlensError, NotFound
from burstlens.lane import Lane
from burstlens.messages import (
    ErrorCode,
    Failure,
    MalformedMessage,
    Request,
    Result,
    Timings,
    UnknownVersion,
    utc,
)
from burstlens.queues.base import Delivery
from burstlens.recognition.base import ImageError, Recognition
from burstlens.worker.model_thread import ModelThread
from burstlens.worker.options import Identity
from burstlens.worker.replies import Replies

_LONGEST_PAUSE_SECONDS = 30.0

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Ending(Enum):
    """What became of one delivery."""

    LABELLED = auto()
    ERROR_RESULT = auto()
    DUPLICATE = auto()
    BURIED = auto()
    GIVEN_BACK = auto()


class Handler:
    """Turns one delivery into exactly one result.

    While a backend does not answer, it insists with growing pauses and keeps the lease: an outage must not use up the
    attempts of every request it meets.
    """

    def __init__(
        self,
        lane: Lane,
        model_thread: ModelThread,
        identity: Identity,
        clock: Clock,
        *,
        max_attempts: int,
        retry_seconds: float,
    ) -> None:
        self._lane = lane
        self._model_thread = model_thread
        self._identity = identity
        self._clock = clock
        self._max_attempts = max_attempts
        self._retry_seconds = retry_seconds
        self._replies = Replies(lane.queues)

    async def handle(self, delivery: Delivery, recognised: Callable[[], Awaitable[None]]) -> tuple[Ending, float]:
        """Bring the delivery to its end; return how it ended and the seconds the model spent on it.

        `recognised` is awaited once the model needs no more time for this delivery.
        """
        try:
            request = Request.parse(delivery.body)
        except UnknownVersion as error:
            await self._refuse(error, delivery)
            return Ending.ERROR_RESULT, 0.0
        except MalformedMessage as error:
            _log.warning("malformed message buried", message_id=delivery.message_id, error=str(error))
            await self._bury(delivery, str(error))
            return Ending.BURIED, 0.0
        if delivery.attempt > 1 and (earlier := await self._earlier_result(request)):
            await self._answer(request.reply_to, earlier, delivery)
            return Ending.DUPLICATE, 0.0
        if delivery.attempt > self._max_attempts:
            await self._give_up(request, delivery)
            return Ending.BURIED, 0.0
        return await self._label(request, delivery, recognised)

    async def _label(
        self, request: Request, delivery: Delivery, recognised: Callable[[], Awaitable[None]]
    ) -> tuple[Ending, float]:
        received_at = self._clock.now()
        image = request.image
        outcome: Recognition | ImageError | None
        if image is None:
            try:
                image = await self._insist("input", lambda: self._lane.buckets.get_input(request))
            except NotFound as error:
                if earlier := await self._earlier_result(request):  # its input goes once its result is there
                    await self._answer(request.reply_to, earlier, delivery)
                    return Ending.DUPLICATE, 0.0
                outcome = ImageError(ErrorCode.INPUT_MISSING, str(error))
        if image is not None:
            outcome = await self._model_thread.recognise(image, request.top_k)
        await recognised()
        if outcome is None:
            await self._insist("release", lambda: self._lane.requests.release([delivery]))
            return Ending.GIVEN_BACK, 0.0
        result = self._result(request, delivery, received_at, outcome)
        kept = await self._insist("output", lambda: self._lane.buckets.put_result(request, image, result))
        await self._answer(request.reply_to, kept, delivery)
        ending = Ending.LABELLED if result.error is None else Ending.ERROR_RESULT
        return ending, result.timings.decode_seconds + result.timings.infer_seconds

    def _result(
        self, request: Request, delivery: Delivery, received_at: float, outcome: Recognition | ImageError
    ) -> Result:
        seen = outcome if isinstance(outcome, Recognition) else None
        best = seen.top[0] if seen else None
        return Result(
            id=request.id,
            filename=request.filename,
            label=best.label if best else None,
            class_index=best.class_index if best else None,
            score=best.score if best else None,
            top=seen.top if seen else (),
            error=Failure(code=outcome.code, message=str(outcome)) if isinstance(outcome, ImageError) else None,
            model=self._model_thread.model,
            instance=self._identity.instance,
            attempt=delivery.attempt,
            timings=Timings(
                queue_wait_seconds=max(0.0, received_at - request.submitted_at.timestamp()),
                decode_seconds=seen.decode_seconds if seen else 0.0,
                infer_seconds=seen.infer_seconds if seen else 0.0,
            ),
            completed_at=utc(self._clock.now()),
        )

    async def _earlier_result(self, request: Request) -> Result | None:
        """The result of an earlier attempt, if it is one that a further attempt cannot better.

        One that cannot be read will be written anew. A dead letter's was written before the request was buried: either
        that is still to be done, or the request was redriven since.
        """
        try:
            earlier = await self._insist("output", lambda: self._lane.buckets.get_result(request.id))
        except MalformedMessage as error:
            _log.error("a damaged result is made anew", request=request.id, error=str(error))
            return None
        return None if earlier is None or earlier.is_dead_letter else earlier

    async def _answer(self, reply_to: str | None, result: Result, delivery: Delivery) -> None:
        await self._insist("reply", lambda: self._replies.send(reply_to, result))
        await self._insist("delete", lambda: self._lane.requests.delete([delivery]))

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        await self._insist("bury", lambda: self._lane.requests.bury([delivery], reason))

    async def _give_up(self, request: Request, delivery: Delivery) -> None:
        """Tell the client, then keep the request among the dead letters (R10)."""
        reason = f"recognition failed {self._max_attempts} times, each time without an answer from the worker"
        _log.error("request is a dead letter", request=request.id, attempts=delivery.attempt - 1)
        failure = ImageError(ErrorCode.DEAD_LETTER, reason)
        result = self._result(request, delivery, self._clock.now(), failure)
        kept = await self._insist("output", lambda: self._lane.buckets.put_result(request, request.image, result))
        await self._insist("reply", lambda: self._replies.send(request.reply_to, kept))
        await self._bury(delivery, reason)

    async def _refuse(self, error: UnknownVersion, delivery: Delivery) -> None:
        result = Result(
            id=error.request_id,
            filename="",
            error=Failure(code=ErrorCode.UNKNOWN_VERSION, message=str(error)),
            instance=self._identity.instance,
            attempt=delivery.attempt,
            completed_at=utc(self._clock.now()),
        )
        kept = await self._insist("output", lambda: self._lane.buckets.create_result(result))
        await self._answer(error.reply_to, kept, delivery)

    async def _insist(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat the call until the backend answers; that there is nothing, or nothing readable, is an answer."""
        pause_seconds = self._retry_seconds
        while True:
            try:
                return await call()
            except (NotFound, MalformedMessage):
                raise
            except BurstlensError as error:
                _log.warning("backend does not answer, trying again", step=what, error=str(error))
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
