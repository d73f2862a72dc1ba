"""What botocore makes of EC2's "no capacity", with its own repetitions left in place."""

from dataclasses import replace

import pytest

from burstlens.clouds.base import Spec
from burstlens.errors import CapacityUnavailable
from support.ec2 import POOL, ZONES, Ec2
from support.ec2_faults import Faults

pytestmark = pytest.mark.anyio

CALL = "call-1"


async def test_r12_each_offer_without_capacity_is_asked_once_although_ec2_calls_it_a_fault_of_its_own(
    ec2: Ec2, faults: Faults
) -> None:
    lack = {"code": "InsufficientInstanceCapacity", "message": "no", "status": 500}
    await faults.add("RunInstances", error=lack)
    cloud = ec2.cloud(url=faults.url)
    pool = replace(POOL, zones=ZONES)

    with pytest.raises(CapacityUnavailable):
        await cloud.launch(pool, ["app-tier-1"], Spec({}), fleet="fleet-a", token=CALL)

    assert await faults.fired("RunInstances") == len(ZONES)
    await cloud.close()


async def test_r12_a_passing_fault_is_still_asked_again(ec2: Ec2, faults: Faults) -> None:
    await faults.add("RunInstances", error={"code": "InternalError", "message": "no", "status": 500}, times=1)
    cloud = ec2.cloud(url=faults.url)

    (born,) = await cloud.launch(POOL, ["app-tier-1"], Spec({}), fleet="fleet-a", token=CALL)

    assert [item["InstanceId"] for item in await ec2.items()] == [born.id]
    await cloud.close()
