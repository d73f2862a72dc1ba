"""Keeping the leases of held requests alive while they are worked on (R9)."""

import structlog

from burstlens.clock import Clock
from burstlens.errors import BurstlensError
from burstlens.queues.base import Delivery, Queue

RENEWALS_PER_LEASE = 3
"""A lease is renewed this often in its own length: two renewals in a row may fail before it is lost."""

_log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Extends every held lease in one batch, several times in the length of a lease."""

    def __init__(self, queue: Queue, lease_seconds: float, clock: Clock) -> None:
        self._queue = queue
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._held: dict[str, Delivery] = {}

    @property
    def held(self) -> int:
        """How many requests are under lease here."""
        return len(self._held)

    def hold(self, delivery: Delivery) -> None:
        """Renew this lease from now on."""
        self._held[delivery.receipt] = delivery

    def drop(self, delivery: Delivery) -> None:
        """Renew this lease no more; dropping one that is not held is fine."""
        self._held.pop(delivery.receipt, None)

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._clock.sleep(self._lease_seconds / RENEWALS_PER_LEASE)
            await self.renew()

    async def renew(self) -> None:
        """Renew every held lease once; a lost one is dropped, its work goes on and may turn out a duplicate."""
        if not self._held:
            return
        try:
            lost = await self._queue.extend(list(self._held.values()), self._lease_seconds)
        except BurstlensError as error:
            _log.warning("lease renewal failed", held=len(self._held), error=str(error))
            return
        for delivery in lost:
            # It may have been finished and deleted between the snapshot and now: then nothing was lost.
            if self._held.pop(delivery.receipt, None):
                _log.warning("lease lost", message_id=delivery.message_id, attempt=delivery.attempt)
