"""Response queues come and go with the web replica that owns them; what a killed one leaves behind, the others sweep.

A queue is of one start of one replica: SQS does not give a name again within 60 s of its end, and two replicas that
were named alike by mistake must not take each other's replies. Whatever was on its way to a queue that is gone is in
the output bucket.

An owner's sign of life is an object in the fleet bucket, written before its queue is created and every few seconds
after. A queue is removed before its sign: dying between the two leaves a sign, which is swept as well. A queue that is
swept though its owner lives (its bucket was out of reach, or it is of a version without signs) is created again by its
owner's listener.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from random import Random

import structlog
from pydantic import AwareDatetime, BaseModel, ValidationError

from burstlens.buckets import Bucket
from burstlens.clock import Clock
from burstlens.errors import BurstlensError, Misconfigured, NotFound
from burstlens.messages import REPLY_QUEUE, RESPONSES, utc
from burstlens.queues.base import Queues

_LONGEST_REPLICA = 51
"""Leaves room for the part that makes a start's name its own."""
_FOLDER = "replicas"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often owners speak, and how long they may be silent. Machines' clocks are compared: minutes, not seconds."""

    beat_seconds: float = 10.0
    silent_seconds: float = 600.0
    """A queue whose owner said nothing for so long is nobody's."""
    sweep_seconds: float = 300.0
    """Between two sweeps of one replica, give or take a half, so that replicas do not sweep together."""


def name_of_this_start(replica: str) -> str:
    """A name for this start of the replica, unlike that of any other; also the tail of its response queue."""
    return f"{replica[:_LONGEST_REPLICA]}-{secrets.token_hex(4)}"


class Sign(BaseModel):
    """A sign of life."""

    owner: str = ""
    """Host and process, for people; empty when a sweeper saw the queue and nobody's sign."""
    sent_at: AwareDatetime


class Signs:
    """Reads and writes signs of life. All calls raise as `Bucket` does."""

    def __init__(self, fleet_bucket: Bucket, clock: Clock) -> None:
        self._bucket = fleet_bucket
        self._clock = clock

    async def send(self, queue: str, owner: str) -> None:
        """Say that this owner of the queue is alive."""
        await self._bucket.put(_key(queue), self._sign(owner))

    async def mark(self, queue: str) -> None:
        """Note that there is a queue, unless its owner said something meanwhile."""
        await self._bucket.create(_key(queue), self._sign(""))

    async def read(self, queue: str) -> Sign | None:
        """What was said last; None if nothing was. What another version wrote is taken away, to be said anew."""
        try:
            return Sign.model_validate_json(await self._bucket.get(_key(queue)))
        except NotFound:
            return None
        except ValidationError:
            await self.remove(queue)
            return None

    async def remove(self, queue: str) -> None:
        """Forget the queue."""
        await self._bucket.delete(_key(queue))

    async def queues(self) -> set[str]:
        """The response queues that something was said about; workers may write here, too, so no other name counts."""
        stems = {PurePosixPath(key).stem async for key in self._bucket.list_keys(_FOLDER)}
        return {stem for stem in stems if re.fullmatch(REPLY_QUEUE, stem)}

    def age_seconds(self, sign: Sign) -> float:
        """How long ago that was."""
        return self._clock.now() - sign.sent_at.timestamp()

    def _sign(self, owner: str) -> bytes:
        return Sign(owner=owner, sent_at=utc(self._clock.now())).model_dump_json().encode()


async def sweep(queues: Queues, signs: Signs, own: str, silent_seconds: float) -> list[str]:
    """Remove the response queues of owners that are gone, but never `own`; return their names.

    One without a sign is only marked: its owner may be about to start. May be repeated, cut short, and run by several
    replicas at once.
    """
    swept = []
    names = set(await queues.names(RESPONSES))
    for name in sorted(names | await signs.queues()):
        if name == own:
            continue
        sign = await signs.read(name)
        if sign is None:
            await signs.mark(name)
        elif signs.age_seconds(sign) > silent_seconds:
            await _remove(queues, name)
            await signs.remove(name)
            swept.append(name)
    return swept


class ReplicaQueue:
    """The response queue of one web replica, from its owner's side."""

    def __init__(
        self,
        queues: Queues,
        fleet_bucket: Bucket,
        name: str,
        owner: str,
        clock: Clock,
        rhythm: Rhythm | None = None,
        random: Random | None = None,
    ) -> None:
        """`owner` tells people where it runs."""
        self._queues = queues
        self._signs = Signs(fleet_bucket, clock)
        self._name = name
        self._owner = owner
        self._clock = clock
        self._rhythm = rhythm or Rhythm()
        self._random = random or Random()  # noqa: S311 - spreads load, protects nothing

    @contextlib.asynccontextmanager
    async def owned(self) -> AsyncIterator[None]:
        """Give signs of life and sweep while the block runs, which creates the queue; then remove it.

        A backend in trouble is logged and no error: the replica then serves without, and others sweep after it.
        """
        await self._attempt_beat()
        task = asyncio.create_task(self._run())
        task.add_done_callback(_report)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self._leave()

    async def _run(self) -> None:
        sweep_at = self._clock.now() + self._pause_seconds()
        while True:
            await self._clock.sleep(self._rhythm.beat_seconds)
            await self._attempt_beat()
            if self._clock.now() >= sweep_at:
                await self._attempt_sweep()
                sweep_at = self._clock.now() + self._pause_seconds()

    def _pause_seconds(self) -> float:
        return self._rhythm.sweep_seconds * self._random.uniform(0.5, 1.5)

    async def _attempt_beat(self) -> None:
        try:
            await self._signs.send(self._name, self._owner)
        except BurstlensError as error:
            _log.warning("the replica's sign of life failed", queue=self._name, error=str(error))

    async def _attempt_sweep(self) -> None:
        try:
            swept = await sweep(self._queues, self._signs, self._name, self._rhythm.silent_seconds)
        except BurstlensError as error:
            _log.warning("cannot sweep response queues", error=str(error))
        else:
            if swept:
                _log.info("swept response queues whose replicas are gone", queues=swept)

    async def _leave(self) -> None:
        """Remove queue and sign."""
        try:
            await _remove(self._queues, self._name)
            await self._signs.remove(self._name)
        except BurstlensError as error:
            _log.warning(
                "what is left of the response queue is for others to sweep", queue=self._name, error=str(error)
            )


async def _remove(queues: Queues, name: str) -> None:
    """Remove the queue; one whose name this backend gives to none, such as a longer one, is not there."""
    with contextlib.suppress(Misconfigured):
        await queues.remove(name)


def _report(task: asyncio.Task[None]) -> None:
    """Say that a task which should run for ever has died: that is a defect."""
    if not task.cancelled():
        _log.error("a background task has died", exc_info=task.exception())


def _key(queue: str) -> str:
    return f"{_FOLDER}/{queue}.json"
