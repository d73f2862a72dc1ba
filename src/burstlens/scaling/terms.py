"""The objects that a lease is made of: one for each term, under its number."""

import asyncio
import re
from collections.abc import Awaitable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from burstlens.buckets import Bucket
from burstlens.clock import Clock
from burstlens.errors import NotFound, Unavailable

_FOLDER = "autoscaler/lease"
_KEY = re.compile(rf"{_FOLDER}/([0-9]{{20}})")

_T = TypeVar("_T")


class Record(BaseModel):
    """What the object of a term says. Standbys compare it whole, so that they need not understand all of it."""

    model_config = ConfigDict(frozen=True)

    owner: str = ""
    """One start of one process, unlike any other."""
    who: str = "unknown"
    """The same for people: host and process."""
    beat: int = 0
    """Renewals so far."""
    seat: str = ""
    """The lock that this owner holds on its machine, as `AutoscalerLock.seat` has it."""
    released: bool = False
    """The owner has left."""

    @classmethod
    def parse(cls, content: bytes) -> "Record":
        """What it says; of what cannot be read, only that somebody may be there."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return cls()


class Terms:
    """Reads and writes them. All calls raise as `Bucket` does, and `Unavailable` after `answer_seconds`."""

    def __init__(self, fleet_bucket: Bucket, clock: Clock, answer_seconds: float) -> None:
        self._bucket = fleet_bucket
        self._clock = clock
        self._answer_seconds = answer_seconds

    async def numbers(self) -> set[int]:
        """Every term that there is an object of."""

        async def listed() -> list[str]:
            return [key async for key in self._bucket.list_keys(_FOLDER)]

        return {int(match[1]) for key in await self._within(listed()) if (match := _KEY.fullmatch(key))}

    async def read(self, term: int) -> bytes:
        """What the term's object holds; nothing when there is none, as of term 0."""
        try:
            return await self._within(self._bucket.get(_key(term))) if term else b""
        except NotFound:
            return b""

    async def exists(self, term: int) -> bool:
        """Whether there is this term."""
        return await self._within(self._bucket.exists(_key(term)))

    async def create(self, term: int, record: Record) -> bool:
        """Make the term, unless there is one; whether it is this record's owner's."""
        if await self._within(self._bucket.create(_key(term), _content(record))):
            return True
        # Over a network this may mean that the call wrote it and lost the answer.
        return Record.parse(await self.read(term)).owner == record.owner

    async def write(self, term: int, record: Record) -> None:
        """Replace what the term's object holds."""
        await self._within(self._bucket.put(_key(term), _content(record)))

    async def remove(self, term: int) -> None:
        """Delete the term."""
        await self._within(self._bucket.delete(_key(term)))

    async def _within(self, call: Awaitable[_T]) -> _T:
        task, answered = asyncio.ensure_future(call), asyncio.Event()
        task.add_done_callback(lambda _: answered.set())
        try:
            if await self._clock.wait(answered, self._answer_seconds):
                return await task
        finally:
            task.cancel()
        message = f"the bucket did not answer within {self._answer_seconds:g} s"
        raise Unavailable(message)


def _content(record: Record) -> bytes:
    return record.model_dump_json().encode()


def _key(term: int) -> str:
    return f"{_FOLDER}/{term:020d}"
