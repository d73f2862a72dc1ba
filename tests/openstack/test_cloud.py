"""The adapter on a real OpenStack: what no small stand-in would show. The contract is held elsewhere."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from burstlens.clouds.base import Cloud, Instance, Pool, Spec, State
from burstlens.clouds.user_data import CREDENTIALS_FILE, ENVIRONMENT_FILE
from burstlens.errors import Misconfigured, QuotaExceeded
from support.cloud_backends import comes_true, is_gone
from support.openstack_cloud import FLAVOR, HUGE, POOL, SDK_WARNINGS, PrivateCloud, private_cloud
from support.openstack_lab import Project

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180), SDK_WARNINGS]

FLEET, OTHER_FLEET = "fleet-a", "fleet-b"

KEY = (
    f"ssh-ed25519 {base64.b64encode(bytes([0, 0, 0, 11]) + b'ssh-ed25519' + bytes([0, 0, 0, 32]) + bytes(32)).decode()}"
)


@pytest.fixture
async def private(openstack_project: Project) -> AsyncIterator[PrivateCloud]:
    async with private_cloud(openstack_project) as private:
        yield private


async def launch(
    cloud: Cloud, *names: str, pool: Pool = POOL, fleet: str = FLEET, call: str = "call-1", spec: Spec | None = None
) -> list[Instance]:
    return await cloud.launch(pool, names, spec or Spec({}), fleet=fleet, token=call)


async def reaches(cloud: Cloud, state: State, fleet: str = FLEET) -> None:
    async def all_there() -> bool:
        return {instance.state for instance in await cloud.instances(fleet)} == {state}

    await comes_true(all_there)


async def test_r3_a_server_is_born_with_all_that_it_needs(private: PrivateCloud) -> None:
    with private.project.connect() as owner:
        owner.compute.create_keypair(name="ops", public_key=KEY)
        try:
            (born,) = await launch(
                private.cloud(key_pair="ops"),
                "app-tier-1",
                spec=Spec({"BURSTLENS_FLEET": FLEET}, {"AWS_SESSION_TOKEN": "secret"}),
            )
        finally:
            owner.compute.delete_keypair("ops")
    path = f"/servers/{born.id}"
    server: dict[str, Any] = private.project.admin.compute.get(path, microversion="2.52").json()["server"]

    assert (server["name"], server["key_name"], server["config_drive"]) == ("app-tier-1", "ops", "True")
    assert server["tags"] == [f"burstlens-fleet={FLEET}"]
    assert server["metadata"]["burstlens-pool"] == POOL.name
    config = json.loads(base64.b64decode(server["OS-EXT-SRV-ATTR:user_data"]).decode().partition("\n")[2])
    files = {file["path"]: file for file in config["write_files"]}
    assert set(files[ENVIRONMENT_FILE]["content"].splitlines()) == {
        "BURSTLENS_CLOUD='openstack'",
        f"BURSTLENS_FLEET='{FLEET}'",
        "BURSTLENS_INSTANCE='app-tier-1'",
        "BURSTLENS_INSTANCE_ID_FILE='/var/lib/cloud/data/instance-id'",
        f"BURSTLENS_POOL='{POOL.name}'",
    }
    assert files[CREDENTIALS_FILE]["content"] == "AWS_SESSION_TOKEN='secret'\n"


async def test_r12_a_quota_that_is_used_up_in_the_middle_returns_those_before_it(private: PrivateCloud) -> None:
    private.project.quota(instances=1)
    cloud = private.cloud()

    born = await launch(cloud, "app-tier-1", "app-tier-2")
    await reaches(cloud, State.RUNNING)
    with pytest.raises(QuotaExceeded, match="the quota has no room for more"):
        await launch(cloud, "app-tier-3", call="call-2")

    assert [i.id for i in await cloud.instances(FLEET)] == [i.id for i in born]
    assert len(born) == 1


async def test_r12_a_quota_that_nova_alone_knows_of_is_a_quota_too(private: PrivateCloud) -> None:
    private.project.quota(metadata_items=1)

    with pytest.raises(QuotaExceeded, match="metadata"):
        await launch(private.cloud(), "app-tier-1")


async def test_r13_a_server_that_finds_no_host_fails_counts_and_is_removed(private: PrivateCloud) -> None:
    cloud = private.cloud()
    pool = replace(POOL, instance_types=(HUGE, FLAVOR))
    await launch(cloud, "app-tier-1", pool=pool)
    await reaches(cloud, State.FAILED)

    (failed,) = await cloud.instances(FLEET)
    assert "No valid host was found" in failed.fault
    assert failed.state.counts

    # R11: the next one is not asked of the same offer.
    (born,) = await launch(cloud, "app-tier-2", pool=pool, call="call-2")
    server = private.project.admin.compute.get(f"/servers/{born.id}", microversion="2.52").json()["server"]
    assert server["flavor"]["original_name"] == FLAVOR

    await cloud.terminate([failed.id, born.id])
    await is_gone(cloud, FLEET)


async def test_every_page_is_listed(private: PrivateCloud) -> None:
    born = await launch(private.cloud(), "app-tier-1", "app-tier-2", "app-tier-3")

    assert {i.id for i in await private.cloud(page=2).instances(FLEET)} == {i.id for i in born}


async def test_whoever_lists_deletes_what_is_off_of_its_own_fleet_only(private: PrivateCloud) -> None:
    """Among it what an adapter stopped that did not live to see it go."""
    first = private.cloud()
    (mine,) = await launch(first, "app-tier-1")
    (theirs,) = await launch(first, "app-tier-1", fleet=OTHER_FLEET, call="call-2")
    compute = private.project.admin.compute
    for number in (mine.id, theirs.id):
        compute.wait_for_server(compute.get_server(number), interval=0.5, wait=60)
    await first.drain([mine.id, theirs.id])
    await first.close()
    for number in (mine.id, theirs.id):
        compute.wait_for_server(compute.get_server(number), "SHUTOFF", interval=0.5, wait=60)

    second = private.cloud()
    (shown,) = await second.instances(FLEET)
    await is_gone(second, FLEET)

    assert shown.state is State.DRAINING
    assert compute.get_server(theirs.id).status == "SHUTOFF"


async def test_r2_another_process_that_repeats_a_launch_after_its_end_launches_nothing(private: PrivateCloud) -> None:
    first = private.cloud()
    (born,) = await launch(first, "app-tier-1")
    await reaches(first, State.RUNNING)
    await first.terminate([born.id])
    await is_gone(first, FLEET)

    again = await launch(private.cloud(), "app-tier-1")

    assert [(i.id, i.pool, i.state) for i in again] == [(born.id, POOL.name, State.TERMINATED)]


@pytest.mark.parametrize(
    ("pool", "options", "says"),
    [
        ({"image": "nowhere"}, {}, "there is no image 'nowhere'.*there are: .*tiny"),
        ({"image": "0d3f6f0a-8a57-4a4e-9d3b-5b7a8a3e2c11"}, {}, "there is no image '0d3f"),
        ({"instance_types": ("nowhere",)}, {}, f"there is no flavor 'nowhere'.*there are: .*{FLAVOR}"),
        ({}, {"network": "nowhere"}, "there is no network 'nowhere'.*there are: .*lab"),
        ({"zones": ("nowhere",)}, {}, "no such zone"),
        ({}, {"key_pair": "nowhere"}, "check openstack.key_pair"),
        ({}, {"security_groups": ("nowhere",)}, "check openstack.security_groups"),
    ],
)
async def test_a_name_that_is_not_there_is_told_with_those_that_are(
    private: PrivateCloud, pool: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(Misconfigured, match=says):
        await launch(private.cloud(**options), "app-tier-1", pool=replace(POOL, **pool))


async def test_ids_are_as_good_as_names(private: PrivateCloud) -> None:
    with private.project.connect() as owner:
        image = owner.image.find_image(POOL.image, ignore_missing=False).id
        flavor = owner.compute.find_flavor(FLAVOR, ignore_missing=False).id
        network = owner.network.find_network("lab", ignore_missing=False).id
    pool = replace(POOL, instance_types=(flavor,), image=image)

    assert await launch(private.cloud(network=network), "app-tier-1", pool=pool)
