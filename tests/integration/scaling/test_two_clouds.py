"""The autoscaler over two clouds, one of which fails."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from burstlens.clouds.base import Instance, Pool, Spec
from burstlens.errors import BornUnseen, QuotaExceeded, Unavailable
from support.eventually import eventually
from support.scaling import ELSEWHERE, FLEET, Deploy, Deployment, MoodyCloud

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
    await world.finish_all()
    world.cloud.faults = dict.fromkeys(("instances", "drain"), DEAD)

    await world.tick(4)
    await world.beat()
    await world.tick()
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


def asked_of(cloud: MoodyCloud) -> list[str]:
    """From now on, the names that this cloud is asked for, and never a refusal of one that it has."""
    asked: list[str] = []
    real = cloud.launch

    async def launch(pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        asked.extend(names)
        return await real(pool, names, spec, fleet=fleet, token=token)

    cloud.launch = launch  # type: ignore[method-assign]
    return asked


async def test_r2_what_one_cloud_gave_is_not_asked_for_again_while_the_other_one_took_its_time_to_fail(
    deploy: Deploy,
) -> None:
    world = deploy(pools=(replace(OWN, cap=2), BURST), max_instances=8)
    asked = asked_of(world.elsewhere)

    async def slow(*_: object, **__: object) -> list[Instance]:
        async def burst_has_answered() -> bool:
            return len(world.autoscaler._actor._asked) == 2

        await eventually(burst_has_answered)
        await world.clock.advance(world.options.listing_grace_seconds + 1)
        raise BornUnseen("no answer", [])

    world.cloud.launch = slow  # type: ignore[method-assign]
    await world.send(8)

    await world.tick()

    assert sorted(asked) == [f"app-tier-{number}" for number in range(1, 5)]


async def test_r7_a_cloud_that_takes_its_time_to_fail_is_asked_once_in_a_tick_for_all_its_pools(
    deploy: Deploy,
) -> None:
    world = deploy(pools=(OWN, replace(OWN, name="own-too"), BURST), max_instances=4)
    asked = []

    async def slow(pool: Pool, *_: object, **__: object) -> list[Instance]:
        asked.append(pool.name)
        await world.clock.advance(world.options.tick_seconds + 1)
        raise BornUnseen("no answer", [])

    real = world.elsewhere.launch

    async def one_at_a_time(pool: Pool, names: list[str], *rest: object, **more: object) -> list[Instance]:
        await world.clock.advance(world.options.tick_seconds + 1)
        return await real(pool, names[:1], *rest, **more)  # type: ignore[arg-type]

    world.cloud.launch, world.elsewhere.launch = slow, one_at_a_time  # type: ignore[assignment, method-assign]
    await world.send(8)

    await world.tick()

    assert asked == ["own"]
    assert await in_pools(world) == ["burst"] * 4


async def test_r7_one_cloud_grows_while_the_other_one_does_not_answer_a_termination(deploy: Deploy) -> None:
    world = deploy(pools=(replace(OWN, cap=1), BURST), max_instances=4)
    await world.send(1)
    await world.tick()
    assert await in_pools(world) == ["own"]
    await world.clock.advance(world.options.boot_allowance_seconds)
    await world.send(8)
    has_grown = asyncio.Event()

    async def hang(ids: Sequence[str]) -> None:
        del ids
        await asyncio.wait_for(has_grown.wait(), 10)
        raise DEAD

    real, launch = world.cloud.terminate, world.elsewhere.launch

    async def grow(*asked: object, **more: object) -> list[Instance]:
        born = await launch(*asked, **more)  # type: ignore[arg-type]
        has_grown.set()
        return born

    world.cloud.terminate, world.elsewhere.launch = hang, grow  # type: ignore[method-assign]
    await world.tick()
    world.cloud.terminate = real  # type: ignore[method-assign]

    assert await in_pools(world) == ["burst"] * 3 + ["own"]


async def test_r2_a_defect_on_one_cloud_does_not_end_the_tick_before_a_launch_on_the_other(deploy: Deploy) -> None:
    world = deploy(pools=(replace(OWN, cap=2), BURST), max_instances=4)
    launch = world.elsewhere.launch
    ended = []

    async def defect(*_: object, **__: object) -> list[Instance]:
        message = "nobody thought of this"
        raise RuntimeError(message)

    async def slow(*asked: object, **more: object) -> list[Instance]:
        await asyncio.sleep(0.2)
        born = await launch(*asked, **more)  # type: ignore[arg-type]
        ended.append("burst")
        return born

    world.cloud.launch, world.elsewhere.launch = defect, slow  # type: ignore[method-assign]
    await world.send(8)

    with pytest.raises(RuntimeError):
        await world.tick()

    assert ended == ["burst"]
