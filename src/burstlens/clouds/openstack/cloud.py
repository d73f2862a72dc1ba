"""OpenStack as a cloud: servers of one project, found again by their tag."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from burstlens.clock import Clock
from burstlens.clouds.base import Instance, Pool, Spec, State
from burstlens.clouds.offers import Cooling
from burstlens.clouds.openstack.launch import AT_ONCE, Launch
from burstlens.clouds.openstack.listing import PAGE, changed_since, find, of_fleet
from burstlens.clouds.openstack.memory import HISTORY_SECONDS, Memory
from burstlens.clouds.openstack.names import flavors, image_id, network_id
from burstlens.clouds.openstack.request import Order
from burstlens.clouds.openstack.server import Server
from burstlens.errors import BornUnseen, BurstlensError, NotFound, Unavailable
from burstlens.openstack.errors import Conflict
from burstlens.openstack.options import OpenStackOptions
from burstlens.openstack.session import OpenStackSession

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_UNSAID_SECONDS = 30.0
"""How long a launch that gave less than all is remembered, so that whoever asks for the rest is told why."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _CutShort:
    """Why a launch gave less than it was asked for."""

    fault: BurstlensError
    token: str
    at: float


class OpenStackCloud:
    """Servers of the project that an entry of ``clouds.yaml`` names.

    Draining is nova's stop: the guest's power button is pressed, its worker finishes, and it powers off. Nova keeps
    such a server, and its place in the quota, so whoever lists a fleet deletes those of it that are off. It waits for
    the guest for as long as its operator says (``shutdown_timeout``, a minute by default) or the image does
    (``os_shutdown_timeout``), and pulls the plug then.

    Nova has no client token, so a repeated launch is told by the description of its servers, which nova keeps after
    their end, until its operator archives what was deleted. So it is the same launch unless

    - two processes launch with one token at the same moment, or a create that got no answer happens after it was
      looked for: then a name has two instances, both of which are listed, and count;
    - its server was deleted in the first moment, before nova had passed it on, and by another process: of that one
      nothing is left;
    - it is repeated more than an hour after its server ended.
    """

    name = "openstack"

    def __init__(self, options: OpenStackOptions, clock: Clock, page: int = PAGE) -> None:
        """Nobody is asked before the first call. `page` is how many servers are asked for at once."""
        self._session = OpenStackSession(options)
        self._options = options
        self._clock = clock
        self._page = page
        self._cooling = Cooling()
        self._memory = Memory(clock)
        self._unsaid: dict[str, _CutShort] = {}

    async def instances(self, fleet: str) -> list[Instance]:
        """See the port. It deletes those that are off, and shows them as draining until they are gone."""
        with _found():
            servers = await self._servers(fleet)
        for server in servers:
            offer = server.refused_offer
            if offer is not None and server.fault is not None:
                self._cooling.cool(offer, server.fault.message.strip(), server.fault.created.timestamp())
        await self._sweep([server for server in servers if server.is_done])
        return [server.instance() for server in servers]

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        """See the port. Raises `Unavailable` whenever an instance may have been born unseen, whoever else was born."""
        if not names:
            return []
        self._say_why_there_is_no_more(pool, token)
        try:
            with _found():
                order = await self._order(pool, spec, fleet, token)
                born = {server.name: server for server in await self._earlier(order) if server.name in names}
                launch = Launch(self._session, self._clock, self._cooling, self._memory, order)
                newborn = await launch.run([name for name in dict.fromkeys(names) if name not in born])
        except Unavailable as error:  # before the first server was asked for
            raise BornUnseen(str(error), ()) from error
        if launch.fault is not None:
            if isinstance(launch.fault, Unavailable):
                there = {*born, *(server.name for server in newborn)}
                raise BornUnseen(str(launch.fault), there | launch.unseen) from launch.fault
            if not (born or newborn):
                raise launch.fault
            _log.warning(
                "fewer were launched than asked for",
                pool=pool.name,
                asked=len(names),
                born=len(born) + len(newborn),
                error=str(launch.fault),
            )
            self._unsaid[pool.name] = _CutShort(launch.fault, token, self._clock.now())
        born |= {server.name: server for server in await self._shown(fleet, newborn)}
        return [born[name].instance(pool.name) for name in dict.fromkeys(names) if name in born]

    async def drain(self, ids: Sequence[str]) -> None:
        """See the port. One that nova is still building has nothing to finish, and cannot be stopped: it is deleted."""
        await self._each(ids, self._stop)

    async def terminate(self, ids: Sequence[str]) -> None:
        """See the port."""
        await self._each(ids, self._delete)

    async def close(self) -> None:
        """See the port."""
        await self._session.close()

    async def _servers(self, fleet: str) -> list[Server]:
        """All of the fleet that exist, also those that nova does not list although it knows them."""
        listed = await of_fleet(self._session, fleet, self._page)
        self._memory.note(listed)
        missed = self._memory.unlisted(fleet, listed)
        found = await asyncio.gather(*(find(self._session, server.id) for server in missed))
        unlisted = [server or gone.ended() for server, gone in zip(found, missed, strict=True)]
        self._memory.note(unlisted)
        return [self._memory.as_asked(server) for server in (*listed, *unlisted) if server.state.counts]

    def _say_why_there_is_no_more(self, pool: Pool, token: str) -> None:
        """Raise what cut the last launch of this pool short, once: nova might say yes, since it is late to count."""
        cut = self._unsaid.pop(pool.name, None)
        if cut is not None and cut.token != token and self._clock.now() - cut.at < _UNSAID_SECONDS:
            raise cut.fault

    async def _order(self, pool: Pool, spec: Spec, fleet: str, token: str) -> Order:
        image, kinds, network = await asyncio.gather(
            image_id(self._session, pool.image),
            flavors(self._session, pool.instance_types),
            network_id(self._session, self._options.network),
        )
        return Order(pool, fleet, token, spec, self._options, image, network, kinds)

    async def _earlier(self, order: Order) -> list[Server]:
        """What was born of this launch before: by a process that died, or by a call that got no answer."""
        since = datetime.fromtimestamp(self._clock.now() - HISTORY_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        changed, there = await asyncio.gather(
            changed_since(self._session, since, self._page), of_fleet(self._session, order.fleet, self._page)
        )
        gone = [server for server in changed if server.state is State.TERMINATED]
        # Of several with one name, one that exists tells more than one that does not.
        known = [*self._memory.ended(order.description), *gone, *there]
        return [server for server in known if server.description == order.description]

    async def _shown(self, fleet: str, newborn: Sequence[Server]) -> list[Server]:
        """The same servers as nova shows them, with its own time of birth."""
        if not newborn:
            return []
        try:
            there = {server.id: server for server in await self._servers(fleet)}
        except BurstlensError:
            # They are born all the same, and remembered as they are.
            return list(newborn)
        return [there.get(server.id, server) for server in newborn]

    async def _sweep(self, done: Sequence[Server]) -> None:
        """Delete servers that are off. One that cannot be is tried again at the next listing, and overdue some day."""
        results = await self._at_once([server.id for server in done], self._delete)
        for server, error in zip(done, results, strict=True):
            if error is not None:
                _log.warning("an instance that is off cannot be deleted", instance=server.name, error=str(error))

    async def _each(self, ids: Sequence[str], act: Callable[[str], Awaitable[None]]) -> None:
        known = [server_id for server_id in dict.fromkeys(ids) if _ID.fullmatch(server_id)]
        errors = [error for error in await self._at_once(known, act) if error is not None]
        if errors:
            raise errors[0]

    async def _at_once(self, ids: Sequence[str], act: Callable[[str], Awaitable[None]]) -> list[BurstlensError | None]:
        """Do it to each, a few at a time; what went wrong with each.

        None is begun later than one answer may take: a nova that hangs would stop a tick once for each few of them.
        """
        places = asyncio.Semaphore(AT_ONCE)
        until = self._clock.now() + self._options.request_seconds

        async def one(server_id: str) -> BurstlensError | None:
            async with places:
                if self._clock.now() > until:
                    return Unavailable(f"nova is too slow; it was not asked about server {server_id} this time")
                try:
                    await act(server_id)
                except BurstlensError as error:
                    return error
            return None

        return await asyncio.gather(*map(one, ids))

    async def _stop(self, server_id: str) -> None:
        path = f"/servers/{server_id}/action"
        try:
            await self._session.ask("compute", "POST", path, "", json={"os-stop": None})
        except (Conflict, NotFound) as refusal:
            # Nova also says "not found" of one that it has accepted and not passed on yet.
            server = await find(self._session, server_id)
            if server is None or server.state in {State.DRAINING, State.FAILED, State.TERMINATED}:
                return
            if not server.is_building:
                raise Unavailable(str(refusal)) from refusal
            await self._delete(server_id)

    async def _delete(self, server_id: str) -> None:
        try:
            await self._session.ask("compute", "DELETE", f"/servers/{server_id}", "")
        except (Conflict, NotFound) as refusal:
            server = await find(self._session, server_id)
            if server is not None and not server.is_being_deleted:
                raise Unavailable(str(refusal)) from refusal
        self._memory.note_delete(server_id)


@contextlib.contextmanager
def _found() -> Iterator[None]:
    """Turn a list that is not there into what it is: the fault of an endpoint, be it the catalog's or of the moment."""
    try:
        yield
    except NotFound as error:
        message = f"{error}; is the catalog's endpoint right?"
        raise Unavailable(message) from error
