"""An autoscaler over real parts, each of which can be told to fail: queue, bucket and processes of this machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from burstlens.buckets import Bucket, open_store
from burstlens.clock import ManualClock
from burstlens.clouds.base import Instance, Pool, Spec
from burstlens.clouds.local import LocalCloud
from burstlens.heartbeats import Heartbeats
from burstlens.messages import Heartbeat, WorkerState, utc
from burstlens.queues.base import Delivery, Depth, Message, QueueOptions
from burstlens.queues.memory import MemoryQueue
from burstlens.scaling.autoscaler import Autoscaler
from burstlens.scaling.decision import Decision
from burstlens.scaling.decision_log import DecisionLog
from burstlens.scaling.lease import Authority
from burstlens.scaling.ledger import Ledger
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from support.eventually import eventually

FLEET = "fleet-a"
SLEEPER = ("/bin/sleep", "600")
"""An instance that holds nothing and does not beat by itself."""
POOL = Pool(name="cores", cloud="local", cap=30)


class MoodyQueue(MemoryQueue):
    """A queue whose count can fail or be old."""

    fault: Exception | None = None
    age_seconds = 0.0

    async def depth(self) -> Depth:
        if self.fault:
            raise self.fault
        return replace(await super().depth(), age_seconds=self.age_seconds)


ELSEWHERE = "elsewhere"
"""A second cloud, of processes as well; a pool may be on it."""


class MoodyCloud(LocalCloud):
    """A cloud whose calls can fail, by name; a failing launch may have worked all the same, and a list may lack all."""

    faults: Mapping[str, Exception] = {}
    launch_fault_after: Exception | None = None
    lists_nothing = False

    async def instances(self, fleet: str) -> list[Instance]:
        self._fail("instances")
        listed = await super().instances(fleet)
        return [] if self.lists_nothing else listed

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        self._fail("launch")
        self._fail(f"launch in {pool.name}")
        born = await super().launch(pool, names, spec, fleet=fleet, token=token)
        if self.launch_fault_after:
            raise self.launch_fault_after
        return born

    async def drain(self, ids: Sequence[str]) -> None:
        self._fail("drain")
        await super().drain(ids)

    def _fail(self, call: str) -> None:
        if call in self.faults:
            raise self.faults[call]


async def spec_for(pool: Pool) -> Spec:
    """What an instance of the pool is told."""
    return Spec({"POOL_ORDER": str(pool.order)})


class LostBucket(Bucket):
    """A bucket that can stop answering."""

    fault: Exception | None = None

    write_fault: Exception | None = None

    async def get(self, key: str) -> bytes:
        if self.fault:
            raise self.fault
        return await super().get(key)

    async def put(self, key: str, data: bytes) -> None:
        if self.write_fault:
            raise self.write_fault
        await super().put(key, data)


@dataclass
class Deployment:
    """Everything an autoscaler needs, in one folder, at a time of its own."""

    folder: Path
    options: ScalingOptions = field(default_factory=ScalingOptions)
    pools: tuple[Pool, ...] = (POOL,)
    command: tuple[str, ...] = SLEEPER

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.queue = MoodyQueue("requests", QueueOptions(lease_seconds=3600), self.clock)
        self.cloud = MoodyCloud(self.folder, self.clock, self.command)
        self.elsewhere = MoodyCloud(self.folder / ELSEWHERE, self.clock, self.command)
        self.bucket = LostBucket(open_store("memory://"))
        self.heartbeats = Heartbeats(self.bucket, self.clock)
        self.policy: Policy | None = None
        self.started_at = self.clock.now()
        self.autoscaler = self.start_autoscaler()

    def start_autoscaler(self, lease: Authority | None = None) -> Autoscaler:
        """A new one, as after a restart."""
        return Autoscaler(
            queue=self.queue,
            clouds={
                name: cloud for name, cloud in self.clouds().items() if name in {pool.cloud for pool in self.pools}
            },
            pools=self.pools,
            heartbeats=self.heartbeats,
            options=self.options,
            clock=self.clock,
            fleet=FLEET,
            spec_for=spec_for,
            ledger=Ledger(self.bucket),
            log=DecisionLog(self.bucket, self.clock),
            lease=lease,
            policy=self.policy,
        )

    def clouds(self) -> dict[str, MoodyCloud]:
        """Both, also when no pool is on one of them."""
        return {"local": self.cloud, ELSEWHERE: self.elsewhere}

    async def tick(self, times: int = 1) -> None:
        """So many ticks, each at its time."""
        for _ in range(times):
            await self.clock.advance(self.options.tick_seconds)
            await self.autoscaler.tick()

    async def send(self, count: int) -> None:
        await self.queue.send([Message("request") for _ in range(count)])

    async def receive(self, count: int) -> list[Delivery]:
        return await self.queue.receive(count, 0)

    async def finish_all(self) -> None:
        """Empty the queue."""
        while deliveries := await self.receive(100):
            await self.queue.delete(deliveries)

    async def decisions(self) -> list[Decision]:
        """What the decision log holds."""
        return await DecisionLog(self.bucket, self.clock).last(100)

    async def beat(self, *, busy: Sequence[str] = (), draining: Sequence[str] = ()) -> None:
        """Every instance says what it does: nothing, unless it is named."""
        for instance in await self.listed():
            state = WorkerState.DRAINING if instance.name in draining else WorkerState.IDLE
            await self.heartbeats.send(
                Heartbeat(
                    worker=f"{instance.id}-1",
                    instance=instance.name,
                    state=WorkerState.BUSY if instance.name in busy else state,
                    started_at=utc(self.clock.now()),
                    sent_at=utc(self.clock.now()),
                    held=int(instance.name in busy),
                )
            )

    async def listed(self) -> list[Instance]:
        """What the clouds really have, whatever they say."""
        return [each for cloud in self.clouds().values() for each in await LocalCloud.instances(cloud, FLEET)]

    async def names(self) -> set[str]:
        return {instance.name for instance in await self.listed()}

    async def shrinks_to(self, count: int) -> None:
        """Wait for processes that were told to end."""

        async def reached() -> bool:
            return len(await self.listed()) == count

        await eventually(reached)

    async def end(self) -> None:
        """Leave nothing behind."""
        for cloud in self.clouds().values():
            cloud.faults = {}
            await cloud.terminate([instance.id for instance in await LocalCloud.instances(cloud, FLEET)])
        await self.shrinks_to(0)
        for cloud in self.clouds().values():
            await cloud.close()


Deploy = Callable[..., Deployment]
