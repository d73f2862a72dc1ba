"""Money, launch rate and standby, over the real loop."""

import pytest

from burstlens.clouds.base import Billing, Pool
from burstlens.errors import Unavailable
from burstlens.scaling.budget import HOUR_SECONDS
from burstlens.scaling.observation import Observation
from burstlens.scaling.policy.queue_ratio import QueueRatio
from support.scaling import Deploy

pytestmark = pytest.mark.anyio

DEAR = Pool("dear", "local", cap=30, price_per_hour=3.6, billing=Billing(1, 60))
"""A tenth of a cent a second; a launch costs 110 s at least."""
FREE = Pool("free", "local", cap=2)


async def test_r16_a_burst_gets_what_the_budget_pays_for_and_no_more(deploy: Deploy) -> None:
    world = deploy(pools=(FREE, DEAR), max_instances=19, budget_per_hour=0.350)
    await world.send(100)
    await world.tick()

    assert sorted(i.pool for i in await world.listed()) == ["dear"] * 3 + ["free"] * 2
    assert world.autoscaler.recent[-1].reasons == ("budget_per_hour of 0.35 is used up: 5 of 19 are launched",)
    await world.tick(3)
    assert len(await world.names()) == 5


async def test_r4_r16_when_the_money_is_spent_paid_instances_drain_and_free_ones_work_on(deploy: Deploy) -> None:
    world = deploy(pools=(FREE, DEAR), max_instances=4, budget_per_hour=0.500)
    await world.send(100)
    await world.tick()
    everybody = await world.names()
    assert len(everybody) == 4

    while len(await world.names()) > 2:
        await world.beat(busy=sorted(everybody))
        await world.tick()
        assert not world.autoscaler.recent[-1].terminated
    said = "budget_per_hour of 0.5 is used up, so launches wait and who cannot be paid for goes"
    drained = [decision for decision in world.autoscaler.recent if decision.drained]
    assert [decision.held for decision in drained] == [(said,)] * len(drained)
    told = [decision.at - world.started_at for decision in drained]
    assert min(told) >= 170, "what can be paid for is used"
    assert sum(told) <= 500 - 60, "and there is a minute left for the last one's end"

    for _ in range(20):
        await world.beat(busy=sorted(everybody))
        await world.tick()
    assert {i.pool for i in await world.listed()} == {"free"}


async def test_r16_r20_a_restart_does_not_forget_what_was_spent(deploy: Deploy) -> None:
    world = deploy(pools=(DEAR,), max_instances=2, budget_per_hour=0.300)
    await world.send(100)
    await world.tick()
    for _ in range(15):
        await world.beat()
        await world.tick()
    await world.cloud.terminate([i.id for i in await world.listed()])
    await world.shrinks_to(0)
    await world.tick()
    world.autoscaler = world.start_autoscaler()
    await world.tick(2)
    assert len(await world.names()) == 1, "there is money for one more, not for two"

    await world.cloud.terminate([i.id for i in await world.listed()])
    await world.shrinks_to(0)
    await world.tick()
    await world.clock.advance(HOUR_SECONDS + 120)
    await world.tick()
    assert len(await world.names()) == 2


async def test_r7_r16_with_a_ledger_that_cannot_be_read_nothing_is_launched(deploy: Deploy) -> None:
    world = deploy(pools=(FREE, DEAR), budget_per_day=1000)
    await world.bucket.put(f"ledger/{0:020d}.json", b"damaged")
    await world.send(100)
    await world.tick(2)

    assert await world.names() == set()
    (sentence,) = world.autoscaler.recent[-1].held
    assert sentence.startswith("what the fleet costs is unknown: ledger/")
    await world.bucket.delete(f"ledger/{0:020d}.json")
    await world.tick()
    assert len(await world.names()) == 4


async def test_r7_r16_with_a_ledger_that_cannot_be_written_the_fleet_does_not_grow_and_may_shrink(
    deploy: Deploy,
) -> None:
    world = deploy(pools=(DEAR,), budget_per_day=1000)
    await world.send(4)
    await world.tick()
    world.bucket.write_fault = Unavailable("no answer")
    await world.clock.advance(60)
    await world.send(96)
    await world.tick()
    assert len(await world.names()) == 2
    assert "what the fleet costs is unknown: no answer" in world.autoscaler.recent[-1].held

    world.bucket.write_fault = None
    await world.tick()
    assert len(await world.names()) == 4


async def test_without_a_budget_a_lost_ledger_stops_nothing(deploy: Deploy) -> None:
    world = deploy(pools=(DEAR,))
    await world.bucket.put(f"ledger/{0:020d}.json", b"damaged")
    await world.send(100)
    await world.tick()
    assert len(await world.names()) == 4


async def test_the_launch_rate_holds_over_a_restart(deploy: Deploy) -> None:
    world = deploy(max_instances=8, launches_per_minute=3)
    await world.send(100)
    await world.tick(2)
    assert len(await world.names()) == 3
    world.autoscaler = world.start_autoscaler()
    await world.tick(9)
    assert len(await world.names()) == 3
    assert world.autoscaler.recent[-1].reasons == ("launches_per_minute is 3: 0 of 5 are launched",)

    await world.tick(3)
    assert len(await world.names()) == 6


async def test_the_launch_rate_counts_what_has_ended_since(deploy: Deploy) -> None:
    world = deploy(command=("/bin/true",), launches_per_minute=2)
    await world.send(100)
    for _ in range(11):
        await world.shrinks_to(0)
        await world.tick()
    assert sum(len(decision.launched) for decision in world.autoscaler.recent) == 2


async def test_r15_standby_instances_are_kept_beside_what_is_wanted(deploy: Deploy) -> None:
    world = deploy(standby=2, max_instances=6)
    await world.tick(30)
    assert len(await world.names()) == 2, "it wants none, and does not climb"

    await world.send(6)
    await world.tick()
    assert len(await world.names()) == 5
    await world.beat()
    await world.finish_all()
    await world.tick(3)
    await world.beat()
    await world.tick()
    await world.shrinks_to(2)
    assert world.autoscaler.recent[-1].guarded == ("standby of 2, max_instances of 6 make it 2",)


async def test_a_policy_of_one_s_own_is_kept_within_the_bounds(deploy: Deploy) -> None:
    world = deploy(max_instances=3)
    world.policy = QueueRatio(max_instances=100, scale_out_divisor=1)
    world.autoscaler = world.start_autoscaler()
    await world.send(50)
    await world.tick()
    assert len(await world.names()) == 3
    assert world.autoscaler.recent[-1].wanted == 50


class Moody:
    """A policy that has a defect."""

    wanted: object = 2

    def desired(self, observation: Observation) -> int:
        if isinstance(self.wanted, Exception):
            raise self.wanted
        return self.wanted  # type: ignore[return-value]


@pytest.mark.parametrize("wanted", [ZeroDivisionError("a defect"), 2.5, None])
async def test_r17_a_policy_that_fails_holds_the_fleet_and_says_so(deploy: Deploy, wanted: object) -> None:
    world = deploy(boot_allowance_seconds=30, min_instances=1)
    policy = world.policy = Moody()
    world.autoscaler = world.start_autoscaler()
    await world.tick()
    policy.wanted = wanted
    await world.tick(7)

    failed = type(wanted).__name__ if isinstance(wanted, Exception) else "TypeError"
    decisions = await world.decisions()
    assert decisions[1].why == f"the policy failed with {failed}, so the fleet stays as it is"
    assert decisions[1].launched == ()
    assert decisions[-1].terminated == ("app-tier-1", "app-tier-2"), "silent ones go all the same"
    assert world.autoscaler.errors[failed] == 7


async def test_r19_standby_does_not_climb_under_a_policy_that_wants_what_is_there(deploy: Deploy) -> None:
    world = deploy(standby=2, max_instances=12, window=1000)
    await world.send(2)
    for _ in range(8):
        await world.tick()
        await world.beat()
    assert len(await world.names()) == 3
