"""Exports: EC2's part is botocore's Stubber, which checks both sides against AWS's own description (the doubles cannot
export); the role, its policy and the file are real ones of a double."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clouds.ec2.tags import FLEET
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.export import Exporter
from burstlens.deploy.aws.export_grant import ExportGrant
from burstlens.deploy.aws.exports import export_roles, remove_exports
from burstlens.deploy.aws.fleet_bucket import FleetBucket
from burstlens.deploy.aws.images import Image, Source
from burstlens.errors import Misconfigured, Unavailable
from burstlens.settings import Settings
from support.aws_doubles import REGION, Doubles
from support.image_builder import QuickClock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

NAME, TASK = "export-fleet", "export-ami-1234567890abcdef0"
IMAGE = Image(
    "ami-0123456789abcdef0",
    "export-fleet-0.1.0-1",
    "available",
    "2026-01-01T00:00:00.000Z",
    8,
    False,
    "/dev/xvda",
    ("snap-1",),
    Source("0" * 64, "0.1.0", "ami-1"),
    "1",
)
ROLE = f"{NAME}-vmdk-0123456789abcdef0"
KEY = f"exports/{TASK}.vmdk"
TAGS = [{"Key": FLEET, "Value": NAME}]
ACTIVE = {"Filters": [{"Name": "task-state", "Values": ["active"]}]}
UNKNOWN_ROLE = f"The service role {ROLE} provided does not exist or does not have sufficient permissions"


def task(status: str, progress: str = "0", message: str = "") -> dict[str, Any]:
    return {
        "ExportImageTaskId": TASK,
        "ImageId": IMAGE.id,
        "Status": status,
        "Progress": progress,
        "StatusMessage": message,
        "S3ExportLocation": {"S3Bucket": f"{NAME}-bucket", "S3Prefix": "exports/"},
        "Tags": TAGS,
    }


class StubbedSession(AwsSession):
    """EC2 is a stub; everything else is the double."""

    def __init__(self, url: str) -> None:
        super().__init__(AwsOptions(endpoint=url, region=REGION))
        self.ec2 = super().client("ec2")
        self.stub = Stubber(self.ec2)

    def client(self, service: str) -> BaseClient:
        return self.ec2 if service == "ec2" else super().client(service)


class Cloud:
    """A fleet with a bucket, and EC2 as a script."""

    def __init__(self, url: str) -> None:
        self.session = StubbedSession(url)
        self.stub = self.session.stub
        self.iam: Any = self.session.client("iam")
        self.s3: Any = self.session.client("s3")
        self.said: list[str] = []
        self.policies: list[Mapping[str, Any]] = []
        self.settings = Settings.model_validate({"fleet": NAME, "buckets": {"fleet": f"s3://{NAME}-bucket"}})

    def exporter(self, role: str = "") -> Exporter:
        return Exporter(self.session, NAME, FleetBucket(self.session, self.settings), QuickClock(), self.hear, role)

    def account(self) -> Account:
        return Account(self.session, NAME, QuickClock(), self.said.append)

    def hear(self, line: str) -> None:
        """What the export says; and, while it runs, what is granted."""
        self.said.append(line)
        if self.has_role() and "active" in line:
            policy = self.iam.get_role_policy(RoleName=ROLE, PolicyName=f"{NAME}-image-export")
            self.policies.append(policy["PolicyDocument"])

    def has_role(self, role: str = ROLE) -> bool:
        try:
            self.iam.get_role(RoleName=role)
        except self.iam.exceptions.NoSuchEntityException:
            return False
        return True

    def none_under_way(self) -> None:
        self.stub.add_response("describe_export_image_tasks", {"ExportImageTasks": []}, ACTIVE)

    def under_way(self, *tasks: Mapping[str, Any]) -> None:
        self.stub.add_response("describe_export_image_tasks", {"ExportImageTasks": list(tasks)}, ACTIVE)

    def started(self, role: str = ROLE) -> None:
        self.stub.add_response("export_image", task("active"), asked(role))

    def polled(self, *tasks: Mapping[str, Any]) -> None:
        for each in tasks:
            self.stub.add_response(
                "describe_export_image_tasks", {"ExportImageTasks": [each]}, {"ExportImageTaskIds": [TASK]}
            )

    def cancelled(self) -> None:
        self.stub.add_response("cancel_export_task", {}, {"ExportTaskId": TASK})


def asked(role: str = ROLE) -> dict[str, Any]:
    return {
        "ImageId": IMAGE.id,
        "DiskImageFormat": "VMDK",
        "S3ExportLocation": {"S3Bucket": f"{NAME}-bucket", "S3Prefix": "exports/"},
        "RoleName": role,
        "Description": IMAGE.name,
        "TagSpecifications": [{"ResourceType": "export-image-task", "Tags": TAGS}],
    }


@pytest.fixture
def cloud(doubles: Doubles) -> Iterator[Cloud]:
    cloud = Cloud(doubles.moto.url)
    bucket = f"{NAME}-bucket"
    cloud.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    cloud.s3.put_object(Bucket=bucket, Key=KEY, Body=b"disk")
    with cloud.stub:
        yield cloud
        cloud.stub.assert_no_pending_responses()
    cloud.s3.delete_object(Bucket=bucket, Key=KEY)
    cloud.s3.delete_bucket(Bucket=bucket)


async def test_an_export_ends_with_the_file_and_says_how_far_it_is(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.started()
    cloud.polled(task("active", "40", "converting"), task("active", "85"), task("completed", "100"))

    assert await cloud.exporter().export(IMAGE) == (KEY, 4)

    assert [line for line in cloud.said if "40 %, converting" in line]
    assert [line for line in cloud.said if "85 %" in line]


async def test_the_grant_is_for_the_service_and_the_folder_alone_and_gone_afterwards(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.started()
    cloud.polled(task("active"), task("completed", "100"))
    trusted: list[Any] = []
    hear = cloud.hear

    def look(line: str) -> None:
        hear(line)
        if cloud.has_role():
            trusted.append(cloud.iam.get_role(RoleName=ROLE)["Role"])

    cloud.hear = look  # type: ignore[method-assign]

    await cloud.exporter().export(IMAGE)

    (statement,) = trusted[0]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "vmie.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"sts:Externalid": "vmimport"}}
    on_s3 = [each for each in cloud.policies[0]["Statement"] if any(a.startswith("s3:") for a in each["Action"])]
    assert {each["Resource"] for each in on_s3} == {
        f"arn:aws:s3:::{NAME}-bucket",
        f"arn:aws:s3:::{NAME}-bucket/exports/*",
    }
    assert {action for each in on_s3 for action in each["Action"]} >= {"s3:PutObject", "s3:GetBucketAcl"}
    assert not cloud.has_role()


async def test_a_role_that_ec2_does_not_know_yet_is_waited_for(cloud: Cloud) -> None:
    cloud.none_under_way()
    for _ in range(2):
        cloud.stub.add_client_error("export_image", "InvalidParameter", UNKNOWN_ROLE, 400, expected_params=asked())
    cloud.started()
    cloud.polled(task("completed", "100"))

    assert await cloud.exporter().export(IMAGE) == (KEY, 4)


async def test_an_image_that_ec2_refuses_is_told_and_leaves_no_role(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.stub.add_client_error("export_image", "InvalidParameter", "Image contains third-party software", 400)
    cloud.none_under_way()

    with pytest.raises(Misconfigured, match="third-party software"):
        await cloud.exporter().export(IMAGE)

    assert not cloud.has_role()


async def test_an_export_that_fails_is_told_in_ec2s_words_and_leaves_no_role(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.started()
    cloud.polled(task("deleting", "60", "GRUB2 is enabled for both"))
    cloud.none_under_way()

    with pytest.raises(Unavailable, match="GRUB2 is enabled for both"):
        await cloud.exporter().export(IMAGE)

    assert not cloud.has_role()


async def test_an_interrupted_export_is_cancelled_and_leaves_no_role(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.started()
    cloud.polled(task("active", "40"))
    cloud.under_way(task("active", "40"))
    cloud.cancelled()
    export: asyncio.Task[tuple[str, int]]
    cloud.hear = lambda line: export.cancel() if "40 %" in line else None  # type: ignore[method-assign,assignment]
    export = asyncio.ensure_future(cloud.exporter().export(IMAGE))

    with pytest.raises(asyncio.CancelledError):
        await export

    assert not cloud.has_role()


async def test_an_export_that_can_no_longer_be_cancelled_does_not_hide_why_it_was_given_up(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.started()
    cloud.stub.add_client_error("describe_export_image_tasks", "UnauthorizedOperation", "not yours", 403)
    cloud.under_way(task("active", "99"))
    cloud.stub.add_client_error("cancel_export_task", "IncorrectState", "it is being transferred", 400)

    with pytest.raises(Exception, match="not yours"):
        await cloud.exporter().export(IMAGE)

    assert any("being transferred" in line for line in cloud.said)
    assert not cloud.has_role()


async def test_an_export_of_a_run_that_was_killed_is_waited_for_and_its_role_removed(cloud: Cloud) -> None:
    await ExportGrant(cloud.session, NAME, ROLE).make(f"{NAME}-bucket", "exports/")
    another = {"ExportImageTaskId": "export-ami-2", "ImageId": "ami-2"}
    not_ours = {"ExportImageTaskId": "export-ami-3", "Tags": []}
    cloud.under_way(task("active") | another, task("active") | not_ours, task("active"))
    cloud.polled(task("completed", "100"))

    assert await cloud.exporter().export(IMAGE) == (KEY, 4)

    assert not cloud.has_role()


async def test_throttling_while_ec2_works_is_no_reason_to_give_up(cloud: Cloud) -> None:
    cloud.none_under_way()
    cloud.started()
    for _ in range(2):
        cloud.stub.add_client_error("describe_export_image_tasks", "RequestLimitExceeded", "slow down", 503)
    cloud.polled(task("completed", "100"))

    assert await cloud.exporter().export(IMAGE) == (KEY, 4)


async def test_a_role_of_the_accounts_own_stays_without_the_policy(cloud: Cloud) -> None:
    cloud.iam.create_role(RoleName="vmimport", AssumeRolePolicyDocument="{}")
    cloud.none_under_way()
    cloud.started("vmimport")
    cloud.polled(task("completed", "100"))

    await cloud.exporter("vmimport").export(IMAGE)

    assert cloud.has_role("vmimport")
    assert cloud.iam.list_role_policies(RoleName="vmimport")["PolicyNames"] == []
    cloud.iam.delete_role(RoleName="vmimport")


async def test_removing_a_grant_twice_is_fine(cloud: Cloud) -> None:
    grant = ExportGrant(cloud.session, NAME, ROLE)
    await grant.make(f"{NAME}-bucket", "exports/")
    await grant.make(f"{NAME}-bucket", "exports/")

    await grant.remove()
    await grant.remove()

    assert not cloud.has_role()


async def test_encrypted_disks_are_refused_before_anything_is_made(cloud: Cloud) -> None:
    with pytest.raises(Misconfigured, match="encrypted"):
        await cloud.exporter().export(replace(IMAGE, encrypted=True))


async def test_a_completed_export_without_a_file_is_told(cloud: Cloud) -> None:
    cloud.s3.delete_object(Bucket=f"{NAME}-bucket", Key=KEY)
    cloud.none_under_way()
    cloud.started()
    cloud.polled(task("completed", "100"))

    with pytest.raises(Unavailable, match="is not there"):
        await cloud.exporter().export(IMAGE)


async def test_what_an_export_that_was_killed_has_left_is_found_and_removed(cloud: Cloud) -> None:
    await ExportGrant(cloud.session, NAME, ROLE).make(f"{NAME}-bucket", "exports/")
    others = [f"{NAME}-vmdk-theirs", f"{NAME}-2-vmdk-1"]
    for role in others:
        cloud.iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    account = cloud.account()
    another = {"ExportImageTaskId": "export-ami-2", "Tags": [{"Key": FLEET, "Value": "another"}]}
    cloud.under_way(task("active"), task("active") | another)
    cloud.cancelled()

    found = await asyncio.to_thread(export_roles, account)
    await asyncio.to_thread(remove_exports, account)
    await asyncio.to_thread(remove_exports, account)

    assert found == [ROLE]
    assert [line.split() for line in cloud.said] == [["cancelled", TASK], ["deleted", "the", "role", ROLE]]
    assert [cloud.has_role(role) for role in (ROLE, *others)] == [False, True, True]
    for role in others:
        cloud.iam.delete_role(RoleName=role)


async def test_an_export_that_cannot_be_cancelled_loses_its_role_all_the_same(cloud: Cloud) -> None:
    await ExportGrant(cloud.session, NAME, ROLE).make(f"{NAME}-bucket", "exports/")
    cloud.under_way(task("active"))
    cloud.stub.add_client_error("cancel_export_task", "IncorrectState", "it is being transferred", 400)

    await asyncio.to_thread(remove_exports, cloud.account())

    assert not cloud.has_role()
    assert any("being transferred" in line for line in cloud.said)
