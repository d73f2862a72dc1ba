"""Launches on EC2, and all that can become of them."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from burstlens.aws.session import call
from burstlens.clock import ManualClock
from burstlens.clouds.base import Instance, Market, Pool, Spec, State
from burstlens.clouds.ec2 import tags
from burstlens.clouds.ec2.cloud import Ec2Cloud
from burstlens.clouds.offers import COOL_SECONDS
from burstlens.errors import (
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from support.ec2 import POOL, ZONES, Ec2
from support.ec2_faults import Faults

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("once")]

FLEET = "fleet-a"
CALL, NEXT_CALL = "call-1", "call-2"
EVERYWHERE = replace(POOL, zones=ZONES)
NO_ROOM = "InsufficientInstanceCapacity"


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def cloud(ec2: Ec2, faults: Faults, clock: ManualClock) -> AsyncIterator[Ec2Cloud]:
    cloud = ec2.cloud(clock, faults.url)
    yield cloud
    await cloud.close()


async def launch(
    cloud: Ec2Cloud, *names: str, pool: Pool = POOL, during: str = CALL, environment: dict[str, str] | None = None
) -> list[Instance]:
    spec = Spec(environment or {})
    return await cloud.launch(pool, names or ["app-tier-1"], spec, fleet=FLEET, token=during)


def in_zone(zone: str) -> str:
    """A condition of a fault: only for this zone."""
    return f"\"Placement.AvailabilityZone\" == '{zone}'"


def of_type(kind: str) -> str:
    return f"InstanceType == '{kind}'"


async def where(ec2: Ec2) -> Sequence[tuple[str, str]]:
    """Type and zone of all that run."""
    items = await ec2.items("pending", "running")
    return [(item["InstanceType"], item["Placement"]["AvailabilityZone"]) for item in items]


async def test_r3_an_instance_is_born_with_all_that_it_needs(ec2: Ec2, cloud: Ec2Cloud) -> None:
    (born,) = await launch(cloud, environment={"BURSTLENS_FLEET": FLEET})

    (item,) = await ec2.items()
    own = tags.as_mapping(item["Tags"])
    assert {key: own[key] for key in (tags.NAME, tags.FLEET, tags.POOL, tags.LAUNCH)} == {
        "Name": "app-tier-1",
        "burstlens:fleet": FLEET,
        "burstlens:pool": "burst",
        "burstlens:launch": CALL,
    }
    assert (item["InstanceId"], item["InstanceType"]) == (born.id, "t3.small")
    assert (item["MetadataOptions"]["HttpTokens"], item["MetadataOptions"]["InstanceMetadataTags"]) == (
        "required",
        "enabled",
    )
    (volume,) = (await call(ec2.client, "describe_volumes"))["Volumes"]
    assert tags.as_mapping(volume["Tags"])[tags.FLEET] == FLEET


async def test_an_instance_reads_its_settings_in_its_user_data(ec2: Ec2, cloud: Ec2Cloud) -> None:
    (born,) = await launch(cloud, environment={"BURSTLENS_FLEET": FLEET})

    answer = await call(ec2.client, "describe_instance_attribute", InstanceId=born.id, Attribute="userData")
    header, _, config = base64.b64decode(answer["UserData"]["Value"]).decode().partition("\n")
    assert header == "#cloud-config"
    assert json.loads(config)["write_files"][0]["content"] == "BURSTLENS_FLEET='fleet-a'\nBURSTLENS_CLOUD='ec2'\n"


async def test_spot_is_a_matter_of_the_pool(ec2: Ec2, cloud: Ec2Cloud) -> None:
    await launch(cloud, pool=replace(POOL, market=Market.SPOT))

    (item,) = await ec2.items()
    assert item["InstanceLifecycle"] == "spot"


async def test_names_that_this_token_launched_in_another_process_are_returned_and_the_others_launched(
    ec2: Ec2, cloud: Ec2Cloud
) -> None:
    (earlier,) = await launch(ec2.cloud(), "app-tier-2")

    born = await launch(cloud, "app-tier-1", "app-tier-2", "app-tier-3")

    assert [instance.name for instance in born] == ["app-tier-1", "app-tier-2", "app-tier-3"]
    assert born[1].id == earlier.id
    assert len(await ec2.items()) == 3


async def test_many_are_launched_a_few_at_a_time(ec2: Ec2, cloud: Ec2Cloud) -> None:
    names = [f"app-tier-{number}" for number in range(1, 20)]

    assert [instance.name for instance in await launch(cloud, *names)] == names
    assert await ec2.names() == sorted(names)


async def test_r11_without_capacity_here_the_next_zone_has_it_and_the_first_cools_down(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults, clock: ManualClock
) -> None:
    await faults.error("RunInstances", NO_ROOM, body=in_zone(ZONES[0]))

    await launch(cloud, "app-tier-1", pool=EVERYWHERE)
    await launch(cloud, "app-tier-2", pool=EVERYWHERE, during=NEXT_CALL)
    assert await where(ec2) == [("t3.small", ZONES[1])] * 2
    assert await faults.fired("RunInstances") == 1

    await faults.clear()
    await clock.advance(COOL_SECONDS)
    await launch(cloud, "app-tier-3", pool=EVERYWHERE, during="call-3")
    assert [zone for _, zone in await where(ec2)] == [ZONES[1], ZONES[1], ZONES[0]]


@pytest.mark.parametrize("code", ["Unsupported", "InsufficientFreeAddressesInSubnet", "UnfulfillableCapacity"])
async def test_r11_the_next_type_is_tried_when_every_zone_is_without_the_first(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults, code: str
) -> None:
    await faults.error("RunInstances", code, body=of_type("c7i.large"))

    await launch(cloud, pool=replace(EVERYWHERE, instance_types=("c7i.large", "m7i.large")))

    assert await where(ec2) == [("m7i.large", ZONES[0])]
    assert await faults.fired("RunInstances") == 2


async def test_r11_a_pool_whose_offers_are_all_cold_is_not_asked_again(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults
) -> None:
    await faults.error("RunInstances", NO_ROOM, "no t3.small just now")
    for during in (CALL, NEXT_CALL):
        with pytest.raises(CapacityUnavailable, match="pool burst has no offer left") as caught:
            await launch(cloud, pool=EVERYWHERE, during=during)
        assert f"the default type in {ZONES[1]}: run_instances: {NO_ROOM}: no t3.small just now" in str(caught.value)

    assert await faults.fired("RunInstances") == 2
    assert await ec2.items() == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", CapacityUnavailable),
        ("SpotMaxPriceTooLow", CapacityUnavailable),
        ("VcpuLimitExceeded", QuotaExceeded),
        ("InstanceLimitExceeded", QuotaExceeded),
        ("MaxSpotInstanceCountExceeded", QuotaExceeded),
        ("RequestLimitExceeded", Throttled),
        ("UnauthorizedOperation", NotAuthorized),
        ("AuthFailure", NotAuthorized),
        ("InvalidAMIID.NotFound", Misconfigured),
        ("InvalidParameterValue", Misconfigured),
        ("InvalidLaunchTemplateId.NotFound", Misconfigured),
        ("InternalError", Unavailable),
        ("ServiceUnavailable", Unavailable),
    ],
)
async def test_r12_each_refusal_is_its_own_error(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults, code: str, kind: type[Exception]
) -> None:
    await faults.error("RunInstances", code)

    with pytest.raises(kind, match=code) as caught:
        await launch(cloud)
    assert type(caught.value) is kind
    assert await ec2.items() == []


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "RequestLimitExceeded", NO_ROOM, "UnauthorizedOperation"])
async def test_those_that_were_born_before_a_refusal_are_returned(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults, code: str
) -> None:
    await faults.error("RunInstances", code, body="contains(values(@), 'app-tier-2')")

    born = await launch(cloud, "app-tier-1", "app-tier-2")

    assert [instance.name for instance in born] == ["app-tier-1"]
    assert await ec2.names() == ["app-tier-1"]


async def test_after_a_refusal_no_more_are_asked_for(cloud: Ec2Cloud, faults: Faults) -> None:
    await faults.error("RunInstances", "VcpuLimitExceeded")

    with pytest.raises(QuotaExceeded):
        await launch(cloud, *[f"app-tier-{number}" for number in range(1, 20)])

    assert await faults.fired("RunInstances") == 4


async def test_r2_a_doubt_outweighs_a_refusal_that_came_before_it(cloud: Ec2Cloud, faults: Faults) -> None:
    await faults.error("RunInstances", "VcpuLimitExceeded", body="contains(values(@), 'app-tier-1')")
    await faults.error("RunInstances", "InternalError", latency=500)

    with pytest.raises(Unavailable):
        await launch(cloud, "app-tier-1", "app-tier-2")


async def test_a_short_refusal_for_speed_is_waited_out(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burstlens.aws.session._ATTEMPTS", 3)
    await faults.error("RunInstances", "RequestLimitExceeded", times=1)

    (born,) = await launch(cloud)

    assert [item["InstanceId"] for item in await ec2.items()] == [born.id]


async def test_r2_an_instance_that_was_born_without_an_answer_is_found(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults
) -> None:
    await faults.add("RunInstances", response={"abort_bytes": 10})

    (born,) = await launch(cloud)

    assert [item["InstanceId"] for item in await ec2.items()] == [born.id]


async def test_r2_a_launch_without_an_answer_is_the_same_launch_when_it_is_repeated(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults
) -> None:
    await faults.add("RunInstances", response={"abort_bytes": 10})
    await faults.error("DescribeInstances", "InternalError", body="contains(values(@), 'tag:Name')")
    with pytest.raises(Unavailable):
        await launch(cloud)
    await faults.clear()

    for adapter in (cloud, ec2.cloud()):
        (born,) = await launch(adapter)
        assert [item["InstanceId"] for item in await ec2.items()] == [born.id]


async def test_when_ec2_is_out_of_reach_nothing_is_known(ec2: Ec2, clock: ManualClock) -> None:
    cloud = ec2.cloud(clock, "http://127.0.0.1:9")

    with pytest.raises(Unavailable, match="AWS does not answer"):
        await launch(cloud)
    with pytest.raises(Unavailable):
        await cloud.instances(FLEET)
    with pytest.raises(Unavailable):
        await cloud.terminate(["i-0123456789abcdef0"])


async def test_user_data_that_no_cloud_takes_is_refused_before_anything_is_asked(
    cloud: Ec2Cloud, faults: Faults
) -> None:
    await faults.error("DescribeInstances", "InternalError")

    with pytest.raises(Misconfigured, match="a cloud takes at most 16,384"):
        await launch(cloud, environment={"BURSTLENS_BUCKETS": "x" * 20_000})


async def test_a_region_s_whole_fleet_is_listed_page_by_page(
    ec2: Ec2, cloud: Ec2Cloud, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burstlens.clouds.ec2.listing._PAGE", 5)
    names = [f"app-tier-{number}" for number in range(1, 13)]
    await launch(cloud, *names)
    another = ec2.cloud(url=faults.url)

    assert {instance.name for instance in await another.instances(FLEET)} == set(names)

    await faults.error("DescribeInstances", "InternalError", body="NextToken")
    with pytest.raises(Unavailable):
        await another.instances(FLEET)


async def test_a_stopped_instance_has_failed_and_can_be_terminated(ec2: Ec2, cloud: Ec2Cloud) -> None:
    (born,) = await launch(cloud)
    await call(ec2.client, "stop_instances", InstanceIds=[born.id])

    (stopped,) = await cloud.instances(FLEET)
    assert stopped.state is State.FAILED
    assert stopped.fault.startswith("it is stopped")

    await cloud.terminate([born.id])
    assert await cloud.instances(FLEET) == []
