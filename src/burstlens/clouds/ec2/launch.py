"""One launch call on EC2: a RunInstances for each name, in offer after offer."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from burstlens.aws.session import call
from burstlens.clock import Clock
from burstlens.clouds.base import Instance
from burstlens.clouds.ec2.listing import described, instance_from
from burstlens.clouds.ec2.recent import Recent
from burstlens.clouds.ec2.request import Order, explained
from burstlens.clouds.offers import Cooling, Offer, of_first_offer
from burstlens.errors import BurstlensError, Throttled, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

_AT_ONCE = 4
"""RunInstances may be asked some five times at once and twice a second after that, as operators report; AWS's page on
request throttling was not found to say so. botocore waits out what goes beyond it."""


class Launch:
    """One launch under way. It stops asking after the first refusal that is not of a single offer."""

    def __init__(self, client: "BaseClient", clock: Clock, cooling: Cooling, recent: Recent, order: Order) -> None:
        self._client = client
        self._clock = clock
        self._cooling = cooling
        self._recent = recent
        self._order = order
        self.fault: BurstlensError | None = None
        """Why not all were born. `Unavailable` means that one may have been born unseen."""

    async def run(self, names: Sequence[str]) -> list[Instance]:
        """Launch one instance for each name; return those that were born."""
        born: list[Instance] = []
        waiting = iter(names)
        await asyncio.gather(*(self._line(waiting, born) for _ in range(min(_AT_ONCE, len(names)))))
        return born

    async def _line(self, waiting: Iterator[str], born: list[Instance]) -> None:
        for name in waiting:
            try:
                instance = await self._one(name)
            except BurstlensError as error:
                if self.fault is None or isinstance(error, Unavailable):
                    self.fault = explained(error, self._order.pool)
            else:
                self._recent.note_birth(instance, self._order.fleet, self._order.token)
                born.append(instance)
            if self.fault is not None:
                return

    async def _one(self, name: str) -> Instance:
        take = partial(self._run, name)
        return await of_first_offer(self._order.pool, self._cooling, self._clock, take)

    async def _run(self, name: str, offer: Offer) -> Instance:
        try:
            answer = await call(self._client, "run_instances", **self._order.request(name, offer))
        except (Throttled, Unavailable) as doubt:
            return await self._born_unseen(name, doubt)
        (item,) = answer["Instances"]
        return replace(instance_from(item), name=name, pool=self._order.pool.name)

    async def _born_unseen(self, name: str, doubt: BurstlensError) -> Instance:
        """What came of a call that got no answer, or whose client token an earlier call has used.

        A throttled one may be botocore's repetition of one that got no answer.
        """
        try:
            found = await described(self._client, self._order.filters(name))
        except BurstlensError as error:
            raise doubt from error
        if not found:
            raise doubt
        return found[0]
