"""Two autoscalers on one fleet: one acts, the other one waits, and takes over."""

import asyncio
from collections.abc import Sequence

import pytest
from obstore.store import MemoryStore

from burstlens.clouds.base import Instance, Pool, Spec
from burstlens.errors import Unavailable
from support.eventually import eventually
from support.leases import Race, race
from support.scaling import Deploy, Deployment, MoodyCloud

pytestmark = pytest.mark.anyio


async def test_a_tick_without_the_lease_does_nothing(deploy: Deploy) -> None:
    world = deploy()
    await world.send(6)
    async with race(MemoryStore()) as contest:
        await contest.enter("owner")
        standby = (await contest.enter("standby")).lease
        world.autoscaler = world.start_autoscaler(standby)
        decision = await world.autoscaler.tick()

    assert decision.why == "standby: another autoscaler runs this fleet"
    assert await world.names() == set()
    assert not world.autoscaler.recent
    assert await world.decisions() == []
    assert await world.heartbeats.autoscaler_age_seconds() is None


class LeasedCloud(MoodyCloud):
    """A cloud with a contest that is lost while it is asked."""

    contest: Race
    lose_at = ""

    async def instances(self, fleet: str) -> list[Instance]:
        await self._lose("instances")
        return await super().instances(fleet)

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        await self._lose(f"launch in {pool.name}")
        return await super().launch(pool, names, spec, fleet=fleet, token=token)

    async def _lose(self, call: str) -> None:
        if call == self.lose_at:
            self.contest.contenders[0].hangs()
            await self.contest.pass_seconds(20)


async def leased(world: Deployment, contest: Race) -> LeasedCloud:
    cloud = LeasedCloud(world.folder, world.clock, world.command)
    cloud.contest = contest
    world.cloud = cloud
    contender = await contest.enter("owner")
    world.autoscaler = world.start_autoscaler(contender.lease)
    return cloud


async def test_r2_an_owner_that_loses_the_lease_in_a_tick_launches_nothing_more(deploy: Deploy) -> None:
    world = deploy()
    async with race(MemoryStore()) as contest:
        cloud = await leased(world, contest)
        await world.send(6)
        cloud.lose_at = "instances"
        await world.tick()

    assert await world.names() == set()
    decision = world.autoscaler.recent[-1]
    assert decision.placed.launches == {"cores": 3}
    assert decision.held == ("another autoscaler may have taken over, so nothing more is done",)


async def test_r2_what_it_was_about_to_ask_the_next_pool_for_is_not_asked_for(deploy: Deploy) -> None:
    own, burst = Pool("own", "local", cap=2), Pool("burst", "local", cap=10, order=1)
    world = deploy(pools=(own, burst))
    async with race(MemoryStore()) as contest:
        cloud = await leased(world, contest)
        await world.send(4)
        cloud.faults = {"launch in own": Unavailable("no answer")}
        cloud.lose_at = "launch in own"
        await world.tick()

    assert await world.names() == set()


async def test_r2_r4_an_owner_that_lost_the_lease_drains_and_ends_nobody(deploy: Deploy) -> None:
    world = deploy(boot_allowance_seconds=60, min_instances=3)
    async with race(MemoryStore()) as contest:
        cloud = await leased(world, contest)
        await world.send(6)
        await world.tick()
        await world.beat()
        await world.tick(12)
        cloud.lose_at = "instances"
        await world.tick()
        assert world.autoscaler.recent[-1].placed.terminations == 3

    assert len(await world.names()) == 3
    assert world.autoscaler.recent[-1].terminated == ()


async def test_r2_r20_one_is_killed_and_the_other_takes_over_within_30_seconds_and_the_cap_holds(
    deploy: Deploy,
) -> None:
    """Each has eyes and hands of its own on the same cloud, queue and bucket; a third one waits for its turn."""
    world = deploy(max_instances=4, tick_seconds=5)
    async with race(MemoryStore()) as contest:
        contest.clock = world.clock
        contenders = [await contest.enter(str(number)) for number in range(3)]
        scalers = [world.start_autoscaler(contender.lease) for contender in contenders]
        running = [asyncio.create_task(scaler.run()) for scaler in scalers]

        async def pass_seconds(seconds: int) -> None:
            for _ in range(seconds):
                await contest.pass_seconds(1, step_seconds=1)
                await asyncio.sleep(0.005)
                assert len(await world.names()) <= 4

        try:
            await world.send(4)
            await pass_seconds(10)
            assert len(await world.names()) == 2
            running[0].cancel()
            contenders[0].hangs()
            await asyncio.wait([running[0]])

            await world.send(96)
            await pass_seconds(30)
            assert sum(contender.lease.holds for contender in contenders[1:]) == 1

            async def grown() -> bool:
                return len(await world.names()) == 4

            await eventually(grown)
            await pass_seconds(20)
            assert [bool(scaler.recent) for scaler in scalers[1:]].count(True) == 1
            assert {decision.term for decision in await world.decisions()} == {1, 2}
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
