"""The contract of `burstlens.clouds.base.Cloud`, held against every adapter."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burstlens.clouds.base import Cloud, Instance, State
from support.cloud_backends import BACKENDS, CloudBackend, comes_true, is_gone
from support.openstack_cloud import SDK_WARNINGS

pytestmark = [pytest.mark.anyio, SDK_WARNINGS]

FLEET, OTHER_FLEET = "fleet-a", "fleet-b"
ANOTHER_CALL = "call-2"


# A real cloud takes its time, and more where others work on the same machine.
@pytest.fixture(params=["local", "simulated", "ec2", pytest.param("openstack", marks=pytest.mark.timeout(180))])
async def backend(request: pytest.FixtureRequest, tmp_path: Path, aws_credentials: None) -> AsyncIterator[CloudBackend]:
    del aws_credentials
    async with BACKENDS[request.param](tmp_path, request.getfixturevalue) as backend:
        yield backend


@pytest.fixture
async def cloud(backend: CloudBackend) -> AsyncIterator[Cloud]:
    cloud = backend.open()
    yield cloud
    await cloud.close()


async def launch(cloud: Cloud, backend: CloudBackend, *names: str, call: str = "call-1") -> list[Instance]:
    return await cloud.launch(backend.pool, names, backend.spec, fleet=FLEET, token=call)


async def names_of(cloud: Cloud, fleet: str = FLEET) -> list[str]:
    return sorted(instance.name for instance in await cloud.instances(fleet))


async def test_a_fleet_that_never_was_has_no_instances(cloud: Cloud) -> None:
    assert await cloud.instances(FLEET) == []


async def test_r3_an_instance_is_born_with_name_fleet_and_pool(cloud: Cloud, backend: CloudBackend) -> None:
    before = time.time()
    born = await launch(cloud, backend, "app-tier-1", "app-tier-2")

    assert [instance.name for instance in born] == ["app-tier-1", "app-tier-2"]
    assert {instance.pool for instance in born} == {backend.pool.name}
    assert {instance.state for instance in born} <= {State.PENDING, State.RUNNING}
    assert all(before - 2 <= instance.launched_at <= time.time() + 2 for instance in born)
    assert len({instance.id for instance in born}) == 2


async def test_r1_what_was_launched_a_moment_ago_is_listed(cloud: Cloud, backend: CloudBackend) -> None:
    born = await launch(cloud, backend, "app-tier-1", "app-tier-2")

    assert {i.id for i in await cloud.instances(FLEET)} == {i.id for i in born}


async def test_r20_another_adapter_finds_the_same_instances(cloud: Cloud, backend: CloudBackend) -> None:
    born = await launch(cloud, backend, "app-tier-1", "app-tier-2")

    found = await backend.open().instances(FLEET)

    assert {(i.id, i.name, i.pool, i.launched_at) for i in found} == {
        (i.id, i.name, i.pool, i.launched_at) for i in born
    }


async def test_r20_instances_go_on_when_the_adapter_is_closed(cloud: Cloud, backend: CloudBackend) -> None:
    first = backend.open()
    await launch(first, backend, "app-tier-1")
    await first.close()

    assert await names_of(cloud) == ["app-tier-1"]


async def test_fleets_do_not_see_each_other(cloud: Cloud, backend: CloudBackend) -> None:
    await launch(cloud, backend, "app-tier-1")
    await cloud.launch(backend.pool, ["app-tier-1"], backend.spec, fleet=OTHER_FLEET, token=ANOTHER_CALL)

    mine, theirs = await cloud.instances(FLEET), await cloud.instances(OTHER_FLEET)

    assert [i.name for i in mine] == [i.name for i in theirs] == ["app-tier-1"]
    assert mine[0].id != theirs[0].id


async def test_one_fleet_spans_pools(cloud: Cloud, backend: CloudBackend) -> None:
    await launch(cloud, backend, "app-tier-1")
    await cloud.launch(backend.other_pool, ["app-tier-2"], backend.spec, fleet=FLEET, token=ANOTHER_CALL)

    pools = {instance.name: instance.pool for instance in await cloud.instances(FLEET)}

    assert pools == {"app-tier-1": backend.pool.name, "app-tier-2": backend.other_pool.name}


async def test_r2_a_repeated_launch_is_the_same_launch(cloud: Cloud, backend: CloudBackend) -> None:
    born = await launch(cloud, backend, "app-tier-1", "app-tier-2", call="once")
    again = await launch(backend.open(), backend, "app-tier-1", "app-tier-2", call="once")

    assert {i.id for i in again} == {i.id for i in born}
    assert await names_of(cloud) == ["app-tier-1", "app-tier-2"]


async def test_r2_a_launch_that_is_repeated_after_its_instance_ended_launches_nothing(
    cloud: Cloud, backend: CloudBackend
) -> None:
    (born,) = await launch(cloud, backend, "app-tier-1", call="once")
    await cloud.terminate([born.id])
    await is_gone(cloud, FLEET)

    again = await launch(cloud, backend, "app-tier-1", call="once")

    assert [(i.id, i.state) for i in again] == [(born.id, State.TERMINATED)]
    assert await cloud.instances(FLEET) == []


async def test_a_name_is_free_again_once_its_instance_is_gone_and_an_id_never(
    cloud: Cloud, backend: CloudBackend
) -> None:
    (first,) = await launch(cloud, backend, "app-tier-1")
    await cloud.terminate([first.id])
    await is_gone(cloud, FLEET)

    (second,) = await launch(cloud, backend, "app-tier-1", call="call-2")

    assert second.name == first.name
    assert second.id != first.id


async def test_r4_a_drained_instance_ends(cloud: Cloud, backend: CloudBackend) -> None:
    drained, _ = await launch(cloud, backend, "app-tier-1", "app-tier-2")
    await cloud.drain([drained.id])

    states = {i.name: i.state for i in await cloud.instances(FLEET)}
    assert states.get("app-tier-1", State.DRAINING) is State.DRAINING
    assert states["app-tier-2"] in {State.PENDING, State.RUNNING}

    async def ended() -> bool:
        return await names_of(cloud) == ["app-tier-2"]

    await comes_true(ended)


async def test_terminating_ends_those_and_no_others(cloud: Cloud, backend: CloudBackend) -> None:
    born = await launch(cloud, backend, "app-tier-1", "app-tier-2", "app-tier-3")
    await cloud.terminate([born[0].id, born[2].id])

    async def ended() -> bool:
        return await names_of(cloud) == ["app-tier-2"]

    await comes_true(ended)


async def test_unknown_and_ended_ids_are_fine(cloud: Cloud, backend: CloudBackend) -> None:
    (born,) = await launch(cloud, backend, "app-tier-1")
    for _ in range(2):
        await cloud.terminate([born.id, "nobody", "../nobody"])
        await cloud.drain([born.id, "nobody", "../nobody"])
    await is_gone(cloud, FLEET)

    await cloud.drain([born.id])
    await cloud.terminate([born.id])


async def test_nothing_asked_is_nothing_done(cloud: Cloud, backend: CloudBackend) -> None:
    assert await launch(cloud, backend) == []
    await cloud.drain([])
    await cloud.terminate([])
