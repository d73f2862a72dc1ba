"""Signs of life, kept as objects in the fleet bucket: one for each worker, one of the autoscaler."""

import asyncio
import contextlib

from pydantic import AwareDatetime, BaseModel, ValidationError

from burstlens.buckets import Bucket
from burstlens.clock import Clock
from burstlens.errors import NotFound
from burstlens.messages import Heartbeat, utc

_FOLDER = "heartbeats"
_AUTOSCALER = "autoscaler.json"
_AT_ONCE = 32
"""Heartbeats read at the same time: over a network one after the other would take longer than a tick."""


class _Beat(BaseModel):
    sent_at: AwareDatetime


class Heartbeats:
    """Reads and writes heartbeats. All calls raise `NotAuthorized` or `Unavailable` when the bucket does."""

    def __init__(self, fleet_bucket: Bucket, clock: Clock) -> None:
        self._bucket = fleet_bucket
        self._clock = clock

    async def send(self, heartbeat: Heartbeat) -> None:
        """Replace this worker's heartbeat."""
        await self._bucket.put(_key(heartbeat.worker), heartbeat.model_dump_json(exclude_none=True).encode())

    async def remove(self, worker: str) -> None:
        """Forget a worker that has ended."""
        await self._bucket.delete(_key(worker))

    async def all(self) -> list[Heartbeat]:
        """The last heartbeat of every worker, old ones too; what cannot be read is left out."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def read(key: str) -> Heartbeat | None:
            with contextlib.suppress(NotFound, ValidationError):  # ended meanwhile, or written by another version
                async with places:
                    return Heartbeat.model_validate_json(await self._bucket.get(key))
            return None

        keys = [key async for key in self._bucket.list_keys(_FOLDER)]
        return [beat for beat in await asyncio.gather(*map(read, keys)) if beat is not None]

    async def send_autoscaler(self) -> None:
        """Say that the autoscaler is alive: without it an idle worker ends by itself (R3)."""
        await self._bucket.put(_AUTOSCALER, _Beat(sent_at=utc(self._clock.now())).model_dump_json().encode())

    async def autoscaler_age_seconds(self) -> float | None:
        """How long ago the autoscaler last said so; None if it never did."""
        try:
            beat = _Beat.model_validate_json(await self._bucket.get(_AUTOSCALER))
        except (NotFound, ValidationError):
            return None
        return self._clock.now() - beat.sent_at.timestamp()


def _key(worker: str) -> str:
    return f"{_FOLDER}/{worker}.json"
