"""The autoscaler over EC2: what it does when EC2 says no (R11, R12)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from burstlens.buckets import Bucket, open_store
from burstlens.clock import ManualClock
from burstlens.clouds.base import Pool
from burstlens.clouds.ec2.cloud import Ec2Cloud
from burstlens.heartbeats import Heartbeats
from burstlens.queues.base import Message, QueueOptions
from burstlens.queues.memory import MemoryQueue
from burstlens.scaling.autoscaler import Autoscaler
from burstlens.scaling.decision import Decision
from burstlens.scaling.options import ScalingOptions
from support.ec2 import POOL, ZONES, Ec2
from support.ec2_faults import Faults
from support.eventually import eventually
from support.scaling import spec_for

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("once")]

FLEET = "fleet-a"
OPTIONS = ScalingOptions(tick_seconds=5, window=2, max_instances=4)
FIRST = replace(POOL, name="first", instance_types=("c7i.large",), zones=ZONES)
SECOND = replace(POOL, name="second", instance_types=("m7i.large",), zones=ZONES, order=1)
IN_FIRST = "InstanceType == 'c7i.large'"


@dataclass
class World:
    """A queue, an autoscaler at a time of its own, and EC2."""

    ec2: Ec2
    faults: Faults
    pools: tuple[Pool, ...] = (FIRST, SECOND)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.queue = MemoryQueue("requests", QueueOptions(), self.clock)
        self.heartbeats = Heartbeats(Bucket(open_store("memory://")), self.clock)
        self.cloud: Ec2Cloud = self.ec2.cloud(self.clock, self.faults.url)
        self.autoscaler = self.start()

    def start(self) -> Autoscaler:
        """A new one, as after a restart."""
        return Autoscaler(
            queue=self.queue,
            clouds={"ec2": self.cloud},
            pools=self.pools,
            heartbeats=self.heartbeats,
            options=OPTIONS,
            clock=self.clock,
            fleet=FLEET,
            spec_for=spec_for,
        )

    async def tick(self, after_seconds: float = OPTIONS.tick_seconds) -> Decision:
        await self.clock.advance(after_seconds)
        return await self.autoscaler.tick()

    async def send(self, count: int) -> None:
        await self.queue.send([Message("request") for _ in range(count)])

    async def types(self) -> list[str]:
        """Of all that run."""
        return sorted(item["InstanceType"] for item in await self.ec2.items("pending", "running"))


@pytest.fixture
async def world(ec2: Ec2, faults: Faults) -> AsyncIterator[World]:
    world = World(ec2, faults)
    yield world
    await world.cloud.close()


async def test_r19_the_fleet_grows_and_shrinks_to_zero(world: World) -> None:
    await world.send(8)
    await world.tick()
    assert await world.ec2.names() == ["app-tier-1", "app-tier-2", "app-tier-3", "app-tier-4"]

    while deliveries := await world.queue.receive(10, 0):
        await world.queue.delete(deliveries)
    for _ in range(3):
        await world.tick()

    async def gone() -> bool:
        return await world.ec2.names() == []

    await eventually(gone)
    assert (await world.tick()).census is not None
    assert await world.cloud.instances(FLEET) == []


async def test_r11_what_one_pool_has_no_capacity_for_is_launched_in_the_next_at_once(world: World) -> None:
    await world.faults.error("RunInstances", "InsufficientInstanceCapacity", "no c7i.large", body=IN_FIRST)
    await world.send(4)

    decision = await world.tick()

    assert decision.launched == ("app-tier-1", "app-tier-2")
    assert any("pool first has no offer left" in sentence for sentence in decision.held)
    assert await world.types() == ["m7i.large", "m7i.large"]


async def test_r11_the_first_pool_is_asked_again_after_its_cool_down(world: World) -> None:
    await world.faults.error("RunInstances", "InsufficientInstanceCapacity", body=IN_FIRST)
    await world.send(2)
    await world.tick()
    await world.faults.clear()
    await world.send(2)

    await world.tick(OPTIONS.capacity_cooldown_seconds)

    assert await world.types() == ["c7i.large", "m7i.large"]


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "InstanceLimitExceeded", "MaxSpotInstanceCountExceeded"])
async def test_r12_a_used_up_quota_closes_its_pool_for_long(world: World, code: str) -> None:
    await world.faults.error("RunInstances", code, body=IN_FIRST)
    await world.send(2)
    await world.tick()
    await world.tick()
    assert await world.types() == ["m7i.large"]

    await world.faults.clear()
    await world.send(2)
    decision = await world.tick(OPTIONS.capacity_cooldown_seconds)
    assert await world.types() == ["m7i.large", "m7i.large"], "a shortage of machines would be over by now"
    assert any(code in sentence for sentence in decision.held)

    await world.send(2)
    await world.tick(OPTIONS.quota_cooldown_seconds)
    assert "c7i.large" in await world.types()


async def test_r12_throttling_makes_it_wait_and_ask_again(world: World) -> None:
    await world.faults.error("RunInstances", "RequestLimitExceeded")
    await world.send(2)
    decision = await world.tick()
    assert decision.launched == ()
    assert any("RequestLimitExceeded" in sentence for sentence in decision.held)

    await world.faults.clear()
    await world.tick(OPTIONS.listing_grace_seconds + 1)

    assert await world.types() == ["c7i.large"]
    assert world.autoscaler.errors == {"Throttled": 1}


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidAMIID.NotFound", "InternalError"])
async def test_r12_a_refusal_that_only_the_operator_can_mend_is_said_and_what_runs_goes_on(
    world: World, code: str
) -> None:
    await world.send(2)
    await world.tick()
    for operation in ("RunInstances", "TerminateInstances", "CreateTags"):
        await world.faults.error(operation, code, "ask the operator")
    await world.send(6)

    decision = await world.tick()

    assert (decision.launched, decision.drained, decision.terminated) == ((), (), ())
    assert any(f"{code}: ask the operator" in sentence for sentence in decision.held)
    assert await world.ec2.names() == ["app-tier-1"]


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "InternalError", "UnauthorizedOperation"])
async def test_r7_a_fleet_that_cannot_be_listed_stays_as_it_is(world: World, code: str) -> None:
    await world.send(2)
    await world.tick()
    await world.faults.error("DescribeInstances", code)
    await world.send(6)

    decision = await world.tick()

    assert decision.census is None
    assert decision.why == "the fleet is unknown, so it stays as it is"
    assert await world.ec2.names() == ["app-tier-1"]


async def test_r2_the_cap_holds_when_every_answer_to_a_launch_is_lost(world: World) -> None:
    await world.faults.add("RunInstances", response={"abort_bytes": 10})
    await world.send(100)
    for _ in range(4):
        await world.tick()

    assert await world.ec2.names() == ["app-tier-1", "app-tier-2", "app-tier-3", "app-tier-4"]


async def test_r2_r20_an_autoscaler_that_was_killed_in_a_launch_launches_nothing_twice(world: World) -> None:
    await world.faults.add("RunInstances", response={"abort_bytes": 10})
    await world.faults.error("DescribeInstances", "InternalError", body="contains(values(@), 'tag:Name')")
    await world.send(4)
    await world.tick()
    before = await world.ec2.names()
    await world.faults.clear()

    world.autoscaler = world.start()
    await world.tick(after_seconds=1)

    assert await world.ec2.names() == before == ["app-tier-1", "app-tier-2"]
