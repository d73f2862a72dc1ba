"""One launch call on OpenStack: a ``POST /servers`` for each name, in offer after offer."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from functools import partial

from burstlens.clock import Clock
from burstlens.clouds.base import Pool
from burstlens.clouds.offers import Cooling, Offer, of_first_offer
from burstlens.clouds.openstack.listing import of_fleet
from burstlens.clouds.openstack.memory import Memory
from burstlens.clouds.openstack.names import zone_is_known
from burstlens.clouds.openstack.quota import quota_left
from burstlens.clouds.openstack.request import Order
from burstlens.clouds.openstack.server import Server
from burstlens.errors import BurstlensError, CapacityUnavailable, Misconfigured, NotFound, QuotaExceeded, Unavailable
from burstlens.openstack.errors import Conflict
from burstlens.openstack.session import OpenStackSession, text_of

AT_ONCE = 4
"""Nova works on a server for some tenth of a second before it answers; one project must not take all its threads."""

_ZONE = re.compile(r"availability zone is not available", re.IGNORECASE)
"""Nova says so of a zone that is not there, and of one whose hosts are all down or disabled."""
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"key_name|keypair", re.IGNORECASE), "check openstack.key_pair"),
    (re.compile(r"security.?group", re.IGNORECASE), "check openstack.security_groups"),
    (re.compile(r"network|subnet", re.IGNORECASE), "check openstack.network"),
    (_ZONE, "there is no such zone: check zones"),
    (re.compile(r"flavor", re.IGNORECASE), "check instance_types: they must fit the image"),
    (re.compile(r"image", re.IGNORECASE), "check image"),
)
"""What the operator can do, by what nova said."""


class Launch:
    """One launch under way. It stops asking after the first refusal that is not of a single offer."""

    def __init__(self, session: OpenStackSession, clock: Clock, cooling: Cooling, memory: Memory, order: Order) -> None:
        self._session = session
        self._clock = clock
        self._cooling = cooling
        self._memory = memory
        self._order = order
        self.fault: BurstlensError | None = None
        """Why not all were born. `Unavailable` means that those in `unseen` may have been."""
        self.unseen: set[str] = set()

    async def run(self, names: Sequence[str]) -> list[Server]:
        """Launch one server for each name, as far as the quota goes; return those that were born."""
        if not names:
            return []
        born: list[Server] = []
        quota = await quota_left(self._session)
        room = quota.room(self._order.flavors.values())
        fit = names[:room]
        waiting = iter(fit)
        await asyncio.gather(*(self._line(waiting, born) for _ in range(min(AT_ONCE, len(fit)))))
        if len(fit) < len(names) and self.fault is None:
            self.fault = QuotaExceeded(f"pool {self._order.pool.name}: the quota has no room for more, it left {quota}")
        return born

    async def _line(self, waiting: Iterator[str], born: list[Server]) -> None:
        for name in waiting:
            try:
                server = await self._one(name)
            except BurstlensError as error:
                if isinstance(error, Unavailable) and not isinstance(error, Conflict):
                    self.unseen.add(name)
                if self.fault is None or isinstance(error, Unavailable):
                    self.fault = explained(error, self._order.pool)
            else:
                self._memory.note([server])
                born.append(server)
            if self.fault is not None:
                return

    async def _one(self, name: str) -> Server:
        take = partial(self._create, name)
        return await of_first_offer(self._order.pool, self._cooling, self._clock, take)

    async def _create(self, name: str, offer: Offer) -> Server:
        asked_at = self._clock.now()
        try:
            body = self._order.body(name, offer)
            answer = await self._session.ask("compute", "POST", "/servers", "server", json=body)
            return self._order.newborn(text_of(answer["server"], "id"), name, offer, asked_at)
        except Conflict:
            raise
        except Unavailable as doubt:
            return await self._born_unseen(name, doubt)
        except Misconfigured as error:
            if _ZONE.search(str(error)) and await zone_is_known(self._session, offer.zone):
                raise CapacityUnavailable(str(error)) from error
            raise

    async def _born_unseen(self, name: str, doubt: Unavailable) -> Server:
        """What came of a call that got no answer."""
        try:
            there = await of_fleet(self._session, self._order.fleet)
        except BurstlensError as error:
            raise doubt from error
        for server in there:
            if server.name == name and server.description == self._order.description:
                return server
        raise doubt


def explained(error: BurstlensError, pool: Pool) -> BurstlensError:
    """A refusal as the port raises it, with what the operator can do about it.

    Nova's conflicts at a create are names that mean several things; nothing is born of them.
    """
    if not isinstance(error, (Conflict, Misconfigured, NotFound)):
        return error
    hint = next((hint for pattern, hint in _HINTS if pattern.search(str(error))), "check the pool's settings")
    return Misconfigured(f"pool {pool.name}: {hint} ({error})")
