"""Images, snapshots and builders of an EC2 that learns of births and ends late, with its documented answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.session import get_session
from botocore.stub import ANY, Stubber

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clouds.ec2.tags import FLEET, as_mapping
from burstlens.deploy.aws.builder import Builders, Site
from burstlens.deploy.aws.images import Image, Images, Source
from burstlens.deploy.aws.snapshots import Snapshots
from burstlens.errors import Misconfigured, Unavailable
from support.aws_account import HastyClock

pytestmark = pytest.mark.anyio

BUILDER = "i-0123456789abcdef0"
SITE = Site("t3.medium", "worker", "subnet-1", "sg-1")
SOURCE = Source("0" * 64, "0.1.0", "ami-base")
IMAGE = Image("ami-1", "cams-0.1.0-b", "available", "", 8, False, "/dev/xvda", ("snap-1", "snap-2"), SOURCE, "b")


class Ec2(AwsSession):
    """EC2 as a script."""

    def __init__(self) -> None:
        super().__init__(AwsOptions(region="eu-central-1"))
        self._ec2 = get_session().create_client(
            "ec2",
            region_name="eu-central-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106
        )
        self.stub = Stubber(self._ec2)

    def client(self, service: str) -> BaseClient:
        assert service == "ec2"
        return self._ec2

    def deleted(self, snapshot: str) -> None:
        self.stub.add_response("delete_snapshot", {}, {"SnapshotId": snapshot})

    def not_deleted(self, code: str) -> None:
        self.stub.add_client_error("delete_snapshot", code, f"The snapshot is not to be deleted: {code}", 400)


@pytest.fixture
def ec2() -> Iterator[Ec2]:
    ec2 = Ec2()
    with ec2.stub:
        yield ec2
        ec2.stub.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["InvalidAMIID.Unavailable", "InvalidAMIID.NotFound"])
async def test_an_image_that_is_gone_but_listed_still_loses_its_snapshots(ec2: Ec2, code: str) -> None:
    ec2.stub.add_client_error("deregister_image", code, "The image id '[ami-1]' is no longer available", 400)
    ec2.not_deleted("InvalidSnapshot.NotFound")
    ec2.deleted("snap-2")

    await Images(ec2, "cams", HastyClock()).remove(IMAGE)


async def test_an_image_that_may_not_be_removed_keeps_its_snapshots(ec2: Ec2) -> None:
    message = "The image is protected from deregistration"
    ec2.stub.add_client_error("deregister_image", "OperationNotPermitted", message, 400)

    with pytest.raises(Misconfigured, match=message):
        await Images(ec2, "cams", HastyClock()).remove(IMAGE)


async def test_a_snapshot_that_an_image_still_had_a_moment_ago_is_tried_again(ec2: Ec2) -> None:
    results = [
        {"SnapshotId": "snap-1", "ReturnCode": "success"},
        {"SnapshotId": "snap-2", "ReturnCode": "internal-error"},
    ]
    ec2.stub.add_response("deregister_image", {"Return": True, "DeleteSnapshotResults": results})
    ec2.not_deleted("InvalidSnapshot.InUse")
    ec2.not_deleted("InvalidSnapshot.InUse")
    ec2.deleted("snap-2")

    await Images(ec2, "cams", HastyClock()).remove(IMAGE)


async def test_a_snapshot_that_an_image_keeps_is_told_in_the_end(ec2: Ec2) -> None:
    clock = HastyClock()
    for _ in range(41):
        ec2.not_deleted("InvalidSnapshot.InUse")

    with pytest.raises(Misconfigured, match=r"InvalidSnapshot\.InUse"):
        await Snapshots(ec2, "cams", clock).remove("snap-1")


async def test_an_image_that_is_deregistered_is_none_of_the_fleets_any_more(ec2: Ec2) -> None:
    listed = [{"ImageId": f"ami-{state}", "State": state} for state in ("deregistered", "pending")]
    ec2.stub.add_response("describe_images", {"Images": listed})

    assert [image.id for image in await Images(ec2, "cams", HastyClock()).all()] == ["ami-pending"]


async def test_an_images_snapshots_carry_the_fleets_tag_from_the_beginning(ec2: Ec2) -> None:
    seen: dict[str, Any] = {}
    ec2.client("ec2").meta.events.register(
        "before-parameter-build.ec2.CreateImage", lambda params, **_: seen.update(params)
    )
    ec2.stub.add_response("create_image", {"ImageId": "ami-1"})
    ec2.stub.add_response("describe_images", {"Images": [{"ImageId": "ami-1", "State": "pending"}]})

    await Images(ec2, "cams", HastyClock()).create(BUILDER, SOURCE, "b")

    tagged = {each["ResourceType"]: as_mapping(each["Tags"])[FLEET] for each in seen["TagSpecifications"]}
    assert tagged == {"image": "cams", "snapshot": "cams"}


async def launched(ec2: Ec2) -> Builders:
    """A builder in the network and group of its site."""
    asked = dict.fromkeys(
        ("ImageId", "InstanceType", "MinCount", "MaxCount", "ClientToken", "UserData", "IamInstanceProfile"), ANY
    ) | dict.fromkeys(("InstanceInitiatedShutdownBehavior", "MetadataOptions", "TagSpecifications"), ANY)
    where = {"SubnetId": "subnet-1", "SecurityGroupIds": ["sg-1"]}
    ec2.stub.add_response("run_instances", {"Instances": [{"InstanceId": BUILDER}]}, asked | where)
    builders = Builders(ec2, "cams", HastyClock())
    await builders.launch(SITE, "ami-base", "#cloud-config\n{}", "b", "run")
    ec2.stub.add_response(
        "describe_instances",
        {"Reservations": [{"Instances": [{"InstanceId": "i-old"}]}]},
    )
    return builders


def unknown(ec2: Ec2, instance: str, *asked: str) -> None:
    message = f"The instance ID '{instance}' does not exist"
    expected = {"InstanceIds": list(asked)}
    ec2.stub.add_client_error(
        "terminate_instances", "InvalidInstanceID.NotFound", message, 400, expected_params=expected
    )


async def test_a_builder_that_ec2_does_not_know_yet_is_ended_when_it_does(ec2: Ec2) -> None:
    builders = await launched(ec2)
    unknown(ec2, BUILDER, BUILDER, "i-old")
    ec2.stub.add_response("terminate_instances", {}, {"InstanceIds": ["i-old"]})
    unknown(ec2, BUILDER, BUILDER)
    ec2.stub.add_response("terminate_instances", {}, {"InstanceIds": [BUILDER]})

    await builders.remove()


async def test_a_builder_of_an_earlier_run_that_is_gone_is_not_waited_for(ec2: Ec2) -> None:
    builders = await launched(ec2)
    unknown(ec2, "i-old", BUILDER, "i-old")
    ec2.stub.add_response("terminate_instances", {}, {"InstanceIds": [BUILDER]})

    await builders.remove()


async def test_a_builder_that_stays_unknown_is_told(ec2: Ec2) -> None:
    builders = await launched(ec2)
    unknown(ec2, BUILDER, BUILDER, "i-old")
    ec2.stub.add_response("terminate_instances", {}, {"InstanceIds": ["i-old"]})
    for _ in range(3):
        unknown(ec2, BUILDER, BUILDER)

    with pytest.raises(Unavailable, match=f"{BUILDER} yet: bake again"):
        await builders.remove()
