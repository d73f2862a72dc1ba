"""Images on a double of EC2: a stand-in for the hypervisor boots the builder with the user data that it was given."""

import asyncio
import itertools
import json
import signal
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

import burstlens.aws.session
from burstlens.aws.session import AwsSession
from burstlens.clouds.ec2.tags import FLEET
from burstlens.deploy.aws import up
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.bake import Baker, Order
from burstlens.deploy.aws.builder import Site
from burstlens.deploy.aws.fleet_bucket import FleetBucket
from burstlens.deploy.aws.images import Image, Images
from burstlens.deploy.aws.parameters import Wish
from burstlens.deploy.aws.stack_image import builder_site, image_in_use, use_image
from burstlens.deploy.wheel import wheel_at
from burstlens.errors import Misconfigured, NotFound, Unavailable
from burstlens.queues.base import QueueOptions
from burstlens.settings import Settings
from support.aws_doubles import CREDENTIALS, REGION
from support.commands import Home
from support.eventually import eventually
from support.image_builder import (
    DEBIAN,
    Boot,
    BuilderHost,
    Machine,
    QuickClock,
    builders,
    double_with_debian,
    instance_tags,
    says_done,
    session_at,
    user_data,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

VERSION = "0.1.0"
PROFILE = "worker"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A double of AWS that has Debian's images."""
    double = double_with_debian(tmp_path_factory.mktemp("moto"))
    yield double.url
    double.stop()


@pytest.fixture(scope="module")
def aws(url: str) -> AwsSession:
    """One for all tests: the first client of a session reads megabytes of what the service knows."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in CREDENTIALS.items():
            patched.setenv(name, value)
        session = session_at(url)
        iam: Any = session.client("iam")
        iam.create_instance_profile(InstanceProfileName=PROFILE)
    return session


@dataclass
class Fleet:
    """One deployment, with its bucket and stack."""

    url: str
    session: AwsSession
    name: str
    folder: Path

    def __post_init__(self) -> None:
        self.ec2: Any = self.session.client("ec2")
        self.s3: Any = self.session.client("s3")
        self.bucket = f"{self.name}-fleet"
        self.settings = Settings.model_validate({"fleet": self.name, "buckets": {"fleet": f"s3://{self.bucket}"}})
        self.images = Images(self.session, self.name, QuickClock())
        self.said: list[str] = []

    def account(self) -> Account:
        return Account(self.session, self.name, QuickClock(), self.said.append)

    def order(self, version: str = VERSION) -> Order:
        path = self.folder / f"burstlens-{version}-py3-none-any.whl"
        if not path.exists():
            with zipfile.ZipFile(path, "w") as wheel:
                wheel.writestr("burstlens/__init__.py", f"# {self.name}")
        with wheel_at(path) as wheel_file:
            return Order(wheel_file, Site("t3.medium", PROFILE))

    async def bake(self, order: Order | None = None) -> Image:
        bucket = FleetBucket(self.session, self.settings)
        baker = Baker(self.session, self.name, bucket, QuickClock(), self.said.append)
        return await baker.bake(order or self.order())

    def host(self, boot: Boot | None = None) -> BuilderHost:
        return BuilderHost(self.ec2, self.name, boot or says_done(self.s3, VERSION))

    def builders(self) -> list[str]:
        return builders(self.ec2, self.name)

    def make_stack(self) -> None:
        order = up.Order(Wish(), QueueOptions(77, 3), lambda *_: "")
        assert up.up(self.account(), order, lambda _: None, lambda: True)

    def template(self) -> Mapping[str, Any]:
        """What the launch template says now."""
        versions = self.ec2.describe_launch_template_versions(
            LaunchTemplateName=f"{self.name}-worker", Versions=["$Latest"]
        )
        data: Mapping[str, Any] = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        return data


@pytest.fixture
def fleet(url: str, aws: AwsSession, tmp_path: Path) -> Fleet:
    fleet = Fleet(url, aws, f"fleet-{next(NUMBERS)}", tmp_path)
    fleet.s3.create_bucket(Bucket=fleet.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return fleet


async def test_an_image_is_baked_by_a_builder_that_runs_its_user_data(fleet: Fleet) -> None:
    machine = Machine(fleet.folder / "machine", fleet.url, VERSION)

    with fleet.host(machine.boot) as host:
        image = await fleet.bake()

    assert image.state == "available"
    assert (image.source.version, image.source.base) == (VERSION, DEBIAN)
    assert image.source.wheel == fleet.order().wheel.sha256
    assert [await fleet.images.get(image.id)] == await fleet.images.all()
    assert fleet.builders() == []
    assert len(host.booted) == 1
    done = machine.done()
    assert [line.split()[0] for line in done] == [
        "useradd", "install", "apt-get", "truncate", "cloud-init", "poweroff",
    ]  # fmt: skip
    assert "installed ./burstlens-0.1.0-py3-none-any.whl[aws]" in (machine.root / "run/burstlens-bake/log").read_text()


async def test_a_builder_is_no_worker_stops_when_it_powers_off_and_has_no_old_metadata_service(fleet: Fleet) -> None:
    seen: dict[str, Any] = {}

    def boot(text: str) -> None:
        instance = fleet.builders()[0]
        seen["tags"] = instance_tags(fleet.ec2, instance)
        seen["instance"] = fleet.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
        shutdown = fleet.ec2.describe_instance_attribute(
            InstanceId=instance, Attribute="instanceInitiatedShutdownBehavior"
        )
        seen["shutdown"] = shutdown["InstanceInitiatedShutdownBehavior"]["Value"]
        says_done(fleet.s3, VERSION)(text)

    with fleet.host(boot):
        await fleet.bake()

    assert FLEET not in seen["tags"]
    assert seen["tags"]["Name"] == f"{fleet.name}-image-builder"
    assert seen["shutdown"] == "stop"
    assert seen["instance"]["MetadataOptions"]["HttpTokens"] == "required"


@pytest.mark.parametrize("failing", ["runuser", "useradd"])
async def test_a_step_that_fails_is_told_in_its_own_words_and_leaves_no_image_and_no_builder(
    fleet: Fleet, failing: str
) -> None:
    machine = Machine(fleet.folder / "machine", fleet.url, VERSION, failing)

    with fleet.host(machine.boot), pytest.raises(Misconfigured, match=f"(?s)did not succeed.*{failing}.*cannot be had"):
        await fleet.bake()

    assert await fleet.images.all() == []
    assert fleet.builders() == []
    assert machine.done()[-1].startswith("poweroff")


async def test_a_wheel_that_is_not_what_was_uploaded_is_not_installed(fleet: Fleet) -> None:
    machine = Machine(fleet.folder / "machine", fleet.url, VERSION)

    def tampered(text: str) -> None:
        wheel = fleet.order().wheel
        fleet.s3.put_object(Bucket=fleet.bucket, Key=f"images/{wheel.sha256}/{wheel.name}", Body=b"something else")
        machine.boot(text)

    with fleet.host(tampered), pytest.raises(Misconfigured, match="is not what was uploaded"):
        await fleet.bake()


async def test_another_version_than_the_wheels_is_no_success(fleet: Fleet) -> None:
    with fleet.host(says_done(fleet.s3, "9.9.9")), pytest.raises(Misconfigured, match=r"not burstlens 0\.1\.0"):
        await fleet.bake()

    assert fleet.builders() == []


async def test_a_builder_that_left_no_word_is_a_failure_even_after_an_earlier_success(fleet: Fleet) -> None:
    with fleet.host():
        await fleet.images.remove(await fleet.bake())
    with fleet.host(lambda _: None), pytest.raises(Misconfigured, match="did not succeed"):
        await fleet.bake()


async def test_a_builder_that_somebody_ends_is_told(fleet: Fleet) -> None:
    def boot(_: str) -> None:
        fleet.ec2.terminate_instances(InstanceIds=fleet.builders())

    with fleet.host(boot), pytest.raises(Unavailable, match="was terminated"):
        await fleet.bake()


async def test_a_builder_that_cannot_be_removed_does_not_hide_why_it_failed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = burstlens.aws.session.call_blocking

    def stubborn(client: BaseClient, operation: str, **parameters: object) -> Mapping[str, Any]:
        if operation == "terminate_instances":
            message = "terminate_instances: it is down"
            raise Unavailable(message)
        return real(client, operation, **parameters)

    # What an earlier run has left is removed before a builder is launched: of that, there is none.
    monkeypatch.setattr(burstlens.aws.session, "call_blocking", stubborn)
    with fleet.host(lambda _: None), pytest.raises(Misconfigured, match="did not succeed"):
        await fleet.bake()

    assert any("a builder may be left" in line and "it is down" in line for line in fleet.said)


async def test_the_same_wheel_is_not_baked_twice(fleet: Fleet) -> None:
    with fleet.host() as host:
        first = await fleet.bake()
        second = await fleet.bake()

    assert second == first
    assert len(host.booted) == 1
    assert any("was baked on" in line for line in fleet.said)


async def test_another_wheel_is_another_image_and_old_ones_go_with_their_snapshots(fleet: Fleet) -> None:
    with fleet.host():
        old = await fleet.bake()
    with fleet.host(says_done(fleet.s3, "0.2.0")):
        new = await fleet.bake(fleet.order("0.2.0"))

    assert {image.id for image in await fleet.images.all()} == {old.id, new.id}
    await fleet.images.remove(old)

    assert await fleet.images.all() == [new]
    ids = [snapshot["SnapshotId"] for snapshot in fleet.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]]
    assert old.snapshots
    assert not set(ids) & set(old.snapshots)
    assert set(new.snapshots) <= set(ids)


async def test_builders_of_earlier_runs_are_removed_and_those_of_other_fleets_are_not(fleet: Fleet) -> None:
    def launch(name: str) -> str:
        tags = [{"Key": "burstlens:builder", "Value": name}]
        ran = fleet.ec2.run_instances(
            ImageId=DEBIAN, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
        )
        instance: str = ran["Instances"][0]["InstanceId"]
        return instance

    launch(fleet.name)
    other = launch(f"{fleet.name}-2")
    fleet.ec2.stop_instances(InstanceIds=fleet.builders())

    with fleet.host():
        await fleet.bake()

    assert fleet.builders() == []
    assert builders(fleet.ec2, f"{fleet.name}-2") == [other]


class Killed(BaseException):
    """The process is gone."""


class Killer:
    """Ends everything at one call to AWS: before it, or when it has happened and nobody learns of it."""

    def __init__(self, operation: str, occurrence: int, happens: str) -> None:
        self._operation = operation
        self._left = occurrence
        self._happens = happens
        self._call = burstlens.aws.session.call_blocking
        self.struck = False

    def __call__(self, client: BaseClient, operation: str, **parameters: object) -> Mapping[str, Any]:
        self._left -= operation == self._operation
        if self._left > 0 and not self.struck:
            return self._call(client, operation, **parameters)
        if self._happens == "after" and not self.struck:
            self._call(client, operation, **parameters)
        self.struck = True  # of a dead process, no call is heard any more: not even those that tidy up
        raise Killed


@pytest.mark.parametrize(
    ("operation", "occurrence", "happens"),
    [
        ("describe_images", 1, "before"),
        ("describe_images", 2, "before"),
        ("list_objects_v2", 1, "before"),
        ("put_object", 1, "before"),
        ("put_object", 1, "after"),
        ("describe_instances", 1, "before"),
        ("run_instances", 1, "before"),
        ("run_instances", 1, "after"),
        ("describe_instances", 2, "before"),
        ("get_object", 1, "before"),
        ("create_image", 1, "before"),
        ("create_image", 1, "after"),
        ("describe_images", 3, "before"),
        ("terminate_instances", 1, "before"),
        ("terminate_instances", 1, "after"),
    ],
)
async def test_a_bake_that_is_killed_at_any_call_can_be_run_again_and_leaves_one_image_and_no_builder(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, operation: str, occurrence: int, happens: str
) -> None:
    killer = Killer(operation, occurrence, happens)
    with fleet.host():
        with monkeypatch.context() as patched:
            patched.setattr(burstlens.aws.session, "call_blocking", killer)
            with pytest.raises(Killed):
                await fleet.bake()
        image = await fleet.bake()

    assert await fleet.images.all() == [image]
    assert fleet.builders() == []


async def test_an_image_whose_makers_answer_was_lost_is_found(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    real = burstlens.aws.session.call_blocking

    def lossy(client: BaseClient, operation: str, **parameters: object) -> Mapping[str, Any]:
        answer = real(client, operation, **parameters)
        if operation == "create_image":
            message = "create_image: InvalidAMIName.Duplicate: AMI name is already in use"  # what a repeated call gets
            raise Misconfigured(message)
        return answer

    monkeypatch.setattr(burstlens.aws.session, "call_blocking", lossy)
    with fleet.host():
        image = await fleet.bake()

    assert await fleet.images.all() == [image]


async def test_an_image_that_failed_is_replaced(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet.host() as host:
        first = await fleet.bake()
        parse = Image.parse

        def failed(described: Mapping[str, Any]) -> Image:
            return parse({**described, "State": "failed"} if described["ImageId"] == first.id else described)

        monkeypatch.setattr(Image, "parse", failed)
        second = await fleet.bake()

    assert second.id != first.id
    assert await fleet.images.all() == [second]
    assert len(host.booted) == 2


async def test_the_stack_names_the_image_and_keeps_everything_else(fleet: Fleet) -> None:
    fleet.make_stack()
    with fleet.host():
        image = await fleet.bake()
    account = fleet.account()

    def change() -> tuple[str, bool, bool, str]:
        before = image_in_use(account)
        first, again = use_image(account, image.id, image.root_device), use_image(account, image.id, image.root_device)
        return before, first, again, image_in_use(account)

    assert await asyncio.to_thread(change) == ("", True, False, image.id)
    template = fleet.template()
    assert template["ImageId"] == image.id
    assert [disk["DeviceName"] for disk in template["BlockDeviceMappings"]] == [image.root_device]
    sqs: Any = fleet.session.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{fleet.name}-requests")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "77"
    iam: Any = fleet.session.client("iam")
    site = builder_site(account, "t3.medium", "")
    assert iam.get_instance_profile(InstanceProfileName=site.instance_profile)["InstanceProfile"]["Roles"]
    (group,) = fleet.ec2.describe_security_groups(GroupIds=[site.security_group])["SecurityGroups"]
    assert group["Description"] == f"Image builders of the burstlens fleet {fleet.name}"


async def test_without_a_stack_the_operator_is_told_what_makes_one(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match="burstlens deploy aws up"):
        image_in_use(fleet.account())


async def test_without_a_bucket_in_s3_the_operator_is_told_what_makes_one(fleet: Fleet) -> None:
    with pytest.raises(Misconfigured, match="burstlens deploy aws up"):
        FleetBucket(fleet.session, Settings())


async def test_the_commands_bake_list_and_prune(fleet: Fleet, home: Home) -> None:
    fleet.make_stack()
    (home.folder / "burstlens.toml").write_text(
        f'fleet = "{fleet.name}"\n[aws]\nendpoint = "{fleet.url}"\n[buckets]\nfleet = "s3://{fleet.bucket}"\n'
    )

    def version(text: str) -> None:
        says_done(fleet.s3, "0.2.0" if "-0.2.0-" in text else VERSION)(text)

    with fleet.host(version):
        await fleet.bake()
        baked = await home.run("image", "bake", "--cloud", "ec2", "--wheel", fleet.order("0.2.0").wheel.path)
    asked = (("list", "--json"), ("list",), ("prune", "--keep", 0))
    running = [await home.start("image", *arguments) for arguments in asked]
    as_json, table, unsure = [await each.ended() for each in running]
    pruned = await home.run("image", "prune", "--keep", 0, "--yes")
    listed = json.loads(as_json.out)

    assert baked.code == 0, baked.err
    assert [(each["version"], each["in_use"]) for each in listed] == [("0.2.0", True), (VERSION, False)]
    assert unsure.code != 0
    assert pruned.code == 0, pruned.err
    assert listed[1]["id"] in pruned.out
    assert [image.id for image in await fleet.images.all()] == [listed[0]["id"]]
    assert listed[0]["id"] in table.out
    assert "in use" in table.out
    assert fleet.template()["ImageId"] == listed[0]["id"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_bake_that_is_interrupted_removes_its_builder(fleet: Fleet, home: Home, number: signal.Signals) -> None:
    fleet.make_stack()
    (home.folder / "burstlens.toml").write_text(
        f'fleet = "{fleet.name}"\n[aws]\nendpoint = "{fleet.url}"\n[buckets]\nfleet = "s3://{fleet.bucket}"\n'
    )
    running = await home.start("image", "bake", "--cloud", "ec2", "--wheel", fleet.order().wheel.path)

    async def built() -> bool:
        return bool(fleet.builders())

    await eventually(built)
    assert "burstlens-bake" in user_data(fleet.ec2, fleet.builders()[0])
    ended = await running.end(number)

    assert (ended.code, ended.err) == (130, "")
    assert fleet.builders() == []
