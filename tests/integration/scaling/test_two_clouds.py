"""The autoscaler over two clouds, one of which fails."""

from dataclasses import replace

import pytest

from burstlens.clouds.base import Instance, Pool
from burstlens.errors import BornUnseen, QuotaExceeded, Unavailable
from support.scaling import ELSEWHERE, FLEET, Deploy, Deployment

pytestmark = pytest.mark.anyio

OWN, BURST = Pool("own", "local", cap=10), Pool("burst", ELSEWHERE, cap=10, order=1)
DEAD = Unavailable("no answer")


@pytest.fixture
def world(deploy: Deploy) -> Deployment:
    return deploy(pools=(OWN, BURST), max_instances=4)


async def in_pools(world: Deployment) -> list[str]:
    return sorted(instance.pool for instance in await world.listed())


async def test_r11_what_one_cloud_gives_only_in_part_the_next_one_gives_in_the_same_tick(world: Deployment) -> None:
    real = world.cloud.launch

    async def two_at_most(pool: Pool, names: list[str], *rest: object, **more: object) -> list[Instance]:
        if len(await world.cloud.instances(FLEET)) == 2:
            message = "Quota exceeded for instances"
            raise QuotaExceeded(message)
        return await real(pool, names[:2], *rest, **more)  # type: ignore[arg-type]

    world.cloud.launch = two_at_most  # type: ignore[assignment, method-assign]
    await world.send(8)

    await world.tick()

    assert await in_pools(world) == ["burst", "burst", "own", "own"]
    assert world.autoscaler.recent[-1].launched == tuple(f"app-tier-{number}" for number in range(1, 5))
    assert len({instance.name for instance in await world.listed()}) == 4


async def test_r7_a_cloud_that_is_not_seen_any_more_counts_and_the_other_one_grows(world: Deployment) -> None:
    await world.send(4)
    await world.tick()
    await world.beat(busy=["app-tier-1", "app-tier-2"])
    assert await in_pools(world) == ["own", "own"]
    world.cloud.faults = dict.fromkeys(("instances", "launch", "drain"), DEAD)

    await world.send(20)
    await world.tick()

    assert await in_pools(world) == ["burst", "burst", "own", "own"], "the cap counts those that nobody sees"
    assert world.autoscaler.recent[-1].held == (
        "instances on local are unknown: no answer",
        "local is counted as it was last seen, and stays as it is",
    )


async def test_r7_while_a_cloud_is_not_seen_only_the_other_one_shrinks(deploy: Deploy) -> None:
    world = deploy(pools=(replace(OWN, cap=1), BURST), max_instances=3)
    await world.send(8)
    await world.tick()
    await world.beat()
    await world.finish_all()
    world.cloud.faults = dict.fromkeys(("instances", "drain"), DEAD)

    await world.tick(5)
    await world.shrinks_to(1)
    assert await in_pools(world) == ["own"]
    assert world.autoscaler.errors["Unavailable"] == 5, "it is not even asked to drain"

    world.cloud.faults = {}
    await world.tick()
    await world.shrinks_to(0)


async def test_r7_nothing_is_launched_before_every_cloud_was_seen_once(world: Deployment) -> None:
    world.cloud.faults = {"instances": DEAD}
    await world.send(8)

    await world.tick(3)

    assert await in_pools(world) == []
    assert world.autoscaler.recent[-1].why == "the fleet is unknown, so it stays as it is"
    world.cloud.faults = {}
    await world.tick()
    assert await in_pools(world) == ["own"] * 4


async def test_r2_a_launch_on_a_cloud_that_fell_silent_keeps_its_place_until_it_is_seen_again(
    world: Deployment,
) -> None:
    await world.send(4)
    world.cloud.launch_fault_after = DEAD
    await world.tick()
    assert await in_pools(world) == ["own", "own"], "they were born, and nobody was told"
    world.cloud.faults = {"instances": DEAD}
    await world.send(40)

    await world.tick(20)
    assert await in_pools(world) == ["burst", "burst", "own", "own"], "never more than four"

    world.cloud.faults, world.cloud.launch_fault_after = {}, None
    await world.beat()
    await world.tick()
    assert await in_pools(world) == ["burst", "burst", "own", "own"]


async def test_of_two_pools_of_the_same_order_the_cheaper_one_is_filled_first_and_emptied_last(
    deploy: Deploy,
) -> None:
    dear = Pool("dear", ELSEWHERE, cap=10, price_per_hour=0.2)
    cheap = Pool("cheap", "local", cap=1, price_per_hour=0.1)
    world = deploy(pools=(dear, cheap), max_instances=2)
    await world.send(4)
    await world.tick()
    assert await in_pools(world) == ["cheap", "dear"]
    await world.beat()
    await world.finish_all()
    await world.send(1)

    await world.tick(5)
    await world.shrinks_to(1)

    assert await in_pools(world) == ["cheap"]


async def test_r2_of_a_launch_without_an_answer_only_those_count_that_may_have_been_born(world: Deployment) -> None:
    world.cloud.faults = {"launch": BornUnseen("no answer", ["app-tier-2"])}
    await world.send(8)

    await world.tick()

    assert await in_pools(world) == ["burst"] * 3, "the fourth may be on the first cloud"
    assert [instance.name for instance in await world.listed()] == ["app-tier-1", "app-tier-3", "app-tier-4"]


async def test_r7_a_cloud_that_does_not_answer_a_launch_is_asked_once_in_a_tick(world: Deployment) -> None:
    world.cloud.faults = {"launch": BornUnseen("no answer", [])}
    await world.send(8)

    await world.tick()

    assert world.autoscaler.errors["BornUnseen"] == 1
    assert await in_pools(world) == ["burst"] * 4


async def test_r2_a_launch_that_takes_longer_than_a_list_is_waited_for_is_not_repeated(world: Deployment) -> None:
    real, seconds = world.cloud.launch, world.options.listing_grace_seconds + 1

    async def slow(*asked: object, **more: object) -> list[Instance]:
        await world.clock.advance(seconds)
        return await real(*asked, **more)  # type: ignore[arg-type]

    world.cloud.launch, world.cloud.lists_nothing = slow, True  # type: ignore[method-assign]
    await world.send(8)

    await world.tick(2)

    assert await in_pools(world) == ["own"] * 4
