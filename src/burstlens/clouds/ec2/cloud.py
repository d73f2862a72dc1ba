"""EC2 as a cloud: instances born of a launch template, found again by their tags."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from burstlens.aws.errors import meaning
from burstlens.aws.session import AwsSession
from burstlens.clock import Clock
from burstlens.clouds.base import Instance, Pool, Spec
from burstlens.clouds.ec2 import tags
from burstlens.clouds.ec2.known import LATE_SECONDS, reach_known
from burstlens.clouds.ec2.launch import Launch
from burstlens.clouds.ec2.listing import described
from burstlens.clouds.ec2.recent import Recent
from burstlens.clouds.ec2.request import Order
from burstlens.clouds.offers import Cooling
from burstlens.clouds.user_data import CLOUD, worker_user_data
from burstlens.errors import CapacityUnavailable, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ID = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_BATCH = 200
"""CreateTags takes up to 1,000 resources, TerminateInstances as many; AWS recommends smaller batches."""

_log = structlog.get_logger(__name__)


class Ec2Cloud:
    """Instances of one account in one region. What a pool's launch template has to have: see `request`.

    Draining is a tag that the instance reads in its metadata: it finishes its work and powers off, which terminates
    it. Spot requests are for one time, so nothing else is left of an instance that has ended.
    """

    name = "ec2"

    def __init__(self, session: AwsSession, clock: Clock) -> None:
        """Nobody is asked before the first call."""
        self._session = session
        self._clock = clock
        self._opening = asyncio.Lock()
        self._client: BaseClient | None = None
        self._cooling = Cooling()
        self._recent = Recent(clock)

    async def instances(self, fleet: str) -> list[Instance]:
        """See the port. Terminated ones are asked for too: only that tells that a young one has ended already."""
        return self._recent.corrected(fleet, await described(await self._ec2(), {f"tag:{tags.FLEET}": fleet}))

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        """See the port. Raises `Unavailable` whenever an instance may have been born unseen, whoever else was born."""
        if not names:
            return []
        client = await self._ec2()
        user_data = worker_user_data({**spec.environment, CLOUD: self.name})
        order = Order(pool, fleet, token, user_data)
        # By a process that died, or by a call that got no answer.
        earlier = [*self._recent.of_launch(fleet, token), *await described(client, order.filters())]
        born = {instance.name: instance for instance in earlier if instance.name in names}
        launch = Launch(client, self._clock, self._cooling, self._recent, order)
        new = [name for name in dict.fromkeys(names) if name not in born]
        born |= {instance.name: instance for instance in await launch.run(new)}
        if launch.fault is not None:
            if not born or isinstance(launch.fault, Unavailable):
                raise launch.fault
            _log.warning(
                "fewer were launched than asked for",
                pool=pool.name,
                asked=len(names),
                born=len(born),
                error=str(launch.fault),
            )
        return [born[name] for name in dict.fromkeys(names) if name in born]

    async def drain(self, ids: Sequence[str]) -> None:
        """See the port."""
        mark = tags.as_list({tags.DRAIN: f"{self._clock.now():.0f}"})
        await self._each(ids, "create_tags", "Resources", Tags=mark)

    async def terminate(self, ids: Sequence[str]) -> None:
        """See the port."""
        await self._each(ids, "terminate_instances", "InstanceIds")

    async def close(self) -> None:
        """See the port."""
        async with self._opening:
            if self._client is not None:
                await asyncio.to_thread(self._client.close)
                self._client = None

    async def _ec2(self) -> "BaseClient":
        async with self._opening:
            if self._client is None:
                client = await asyncio.to_thread(self._session.client, "ec2")
                client.meta.events.register_first("needs-retry.ec2.RunInstances", _take_no_for_an_answer)
                self._client = client
            return self._client

    async def _each(self, ids: Sequence[str], operation: str, key: str, **parameters: object) -> None:
        known = [instance_id for instance_id in dict.fromkeys(ids) if _ID.fullmatch(instance_id)]
        for start in range(0, len(known), _BATCH):
            await self._reach(known[start : start + _BATCH], operation, key, parameters)

    async def _reach(self, ids: Sequence[str], operation: str, key: str, parameters: dict[str, object]) -> None:
        """Do it to all that exist; wait a little for those that EC2 has launched and does not know yet."""
        client = await self._ec2()
        left = list(ids)
        for pause_seconds in (*LATE_SECONDS, 0.0):
            unknown = await reach_known(client, operation, key, left, **parameters)
            self._recent.note_ending(instance_id for instance_id in left if instance_id not in unknown)
            left = [instance_id for instance_id in unknown if self._recent.knows(instance_id)]
            if not left:
                return
            await self._clock.sleep(pause_seconds)
        message = f"{operation}: EC2 does not know {', '.join(left)} yet; ask again"
        raise Unavailable(message)


def _take_no_for_an_answer(response: "tuple[Any, Mapping[str, Any]] | None", **_: object) -> None:
    """Keep botocore from asking again for what there is no capacity for: another offer comes next.

    EC2 says so with HTTP status 500, which botocore takes for a passing fault. Its three repetitions would use up what
    RunInstances may be asked at all, and so bring throttling about.
    """
    if response is None:
        return
    http, parsed = response
    if isinstance(meaning(parsed.get("Error", {}).get("Code", ""), "", ""), CapacityUnavailable):
        http.status_code = 400
