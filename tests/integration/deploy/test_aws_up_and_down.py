"""`up` and `down` on both doubles of AWS, whole, interrupted at each call, and run again."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from burstlens.clouds.ec2 import tags
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.builder import BUILDER
from burstlens.deploy.aws.changes import Proposal
from burstlens.deploy.aws.down import down
from burstlens.deploy.aws.inventory import take_inventory
from burstlens.deploy.aws.names import BUCKETS, INPUTS, STACK
from burstlens.deploy.aws.stack import find_stack
from burstlens.deploy.aws.template import read_template
from burstlens.deploy.aws.up import plan, up
from burstlens.errors import Misconfigured, NotFound, Unavailable
from support.aws_account import (
    CHANGES_NOTHING,
    FLEET,
    IMAGE,
    Content,
    Died,
    account_at,
    calls,
    content,
    launch,
    order,
    reset,
)
from support.aws_doubles import REGION, Doubles

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture(scope="module")
def own_doubles() -> Iterator[Doubles]:
    """Of this module alone, since it empties them."""
    doubles = Doubles()
    yield doubles
    doubles.stop()


@pytest.fixture(params=["moto", "ministack"])
def url(request: pytest.FixtureRequest, own_doubles: Doubles) -> str:
    """An empty account on either double."""
    url = own_doubles.by_name(request.param).url
    reset(url)
    return url


@pytest.fixture
def moto(own_doubles: Doubles) -> str:
    """An empty account on moto, which knows instances."""
    reset(own_doubles.moto.url)
    return own_doubles.moto.url


@pytest.fixture
def ministack(own_doubles: Doubles) -> str:
    """An empty account on ministack, which knows how stacks live and fail."""
    reset(own_doubles.ministack.url)
    return own_doubles.ministack.url


class Shown:
    """What the operator was shown, one entry for each time."""

    def __init__(self) -> None:
        self.proposals: list[Proposal | None] = []

    def __call__(self, proposal: Proposal | None) -> None:
        self.proposals.append(proposal)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Action and resource of the last."""
        last = self.proposals[-1]
        return [] if last is None else [(change.action, change.resource) for change in last.changes]


def bring_up(account: Account, **wish: Any) -> Shown:  # noqa: ANN401
    shown = Shown()
    assert up(account, order(**wish), shown, lambda: True) is not None
    return shown


def put(account: Account, kind: str, key: str) -> None:
    account.ask("s3", "put_object", Bucket=account.names.bucket(kind), Key=key, Body=b"x")


def test_a_plan_shows_what_would_be_made_and_leaves_nothing(url: str) -> None:
    account, shown = account_at(url), Shown()
    before = content(account)

    plan(account, order(), shown)

    assert {("Add", "RequestQueue"), ("Add", "WorkerTemplate"), ("Add", "Inputs")} <= set(shown.changes)
    assert content(account) == before


def test_up_twice_changes_nothing(url: str) -> None:
    account = account_at(url)
    bring_up(account)
    once = content(account)

    assert bring_up(account).proposals == [None]
    assert content(account) == once
    assert once["change sets"] == []
    assert list(once["queues"]) == [f"{FLEET}-requests", f"{FLEET}-requests-dead"]


def test_a_plan_of_a_stack_that_is_as_it_should_be_shows_nothing(url: str) -> None:
    account, shown = account_at(url), Shown()
    bring_up(account)
    once = content(account)

    plan(account, order(), shown)

    assert shown.proposals == [None]
    assert content(account) == once


def test_an_operator_who_says_no_changes_nothing(url: str) -> None:
    account = account_at(url)
    before = content(account)

    assert up(account, order(), Shown(), lambda: False) is None
    assert content(account) == before


def test_what_was_chosen_once_stays_until_somebody_says_otherwise(ministack: str) -> None:
    account = account_at(ministack)
    bring_up(account, expire_days=30)

    assert bring_up(account).proposals == [None]
    assert ("Modify", "Inputs") in bring_up(account, expire_days=0).changes


def test_a_private_cloud_is_added_and_given_up_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_at(url)
    with monkeypatch.context() as patched:
        patched.setattr("burstlens.deploy.aws.up.read_template", _without_private_cloud)
        bring_up(account)
    without = content(account)

    added = bring_up(account, private_cloud=True)
    assert set(added.changes) >= {("Add", name) for name in PRIVATE}
    assert users(account) == [f"{FLEET}-private-web"]
    hand_over(account)
    bring_up(account)
    assert len(keys(account)) == 1

    monkeypatch.setattr("burstlens.deploy.aws.up.read_template", _without_private_cloud)
    given_up = bring_up(account, private_cloud=False)
    assert set(given_up.changes) >= {("Remove", name) for name in PRIVATE}
    assert users(account) == []
    assert _but_stacks(content(account)) == _but_stacks(without)


PRIVATE = ("PrivateWorkerRole", "PrivateWebPolicy", "PrivateWebUser")


def _without_private_cloud() -> str:
    """The template as CloudFormation takes it without a private cloud. No double looks at conditions in an update."""
    return re.sub(
        r"^  Private\w+:\n(?:    .*\n|\n)*    (?:Condition: PrivateCloud)\n(?:    .*\n)*",
        "",
        read_template(),
        flags=re.MULTILINE,
    )


def test_a_private_clouds_user_and_role_are_told(ministack: str) -> None:
    account = account_at(ministack)
    bring_up(account, private_cloud=True)

    stack = find_stack(account)
    assert stack is not None
    assert stack.outputs["PrivateWorkerRoleArn"] == account.names.private_worker_role
    assert stack.outputs["PrivateWebUser"] == account.names.private_web_user


def test_down_shuts_out_a_private_cloud_first(url: str) -> None:
    account = account_at(url)
    empty = content(account)
    bring_up(account, private_cloud=True)
    hand_over(account)
    hand_over(account)

    with calls() as watched:
        down(account)

    assert watched.names.count("DeleteAccessKey") == 2
    assert watched.names.index("DeleteAccessKey") < watched.names.index("DeleteStack")
    assert users(account) == []
    assert content(account) == empty


def test_down_keeps_the_keys_of_a_user_that_this_stack_has_not_made(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users are the account's: that of a fleet of this name in another region has the same name."""
    account = account_at(moto)
    with monkeypatch.context() as patched:
        patched.setattr("burstlens.deploy.aws.up.read_template", _without_private_cloud)
        bring_up(account, private_cloud=True)
    account.ask("iam", "create_user", UserName=account.names.private_web_user)
    hand_over(account)

    down(account)

    assert len(keys(account)) == 1


def test_a_key_that_is_made_during_a_down_does_not_keep_the_stack(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_at(url)
    bring_up(account, private_cloud=True)
    ask = account.ask

    def handing_over(service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if operation == "delete_stack" and not late:
            hand_over(other)
            late.append(operation)
        return ask(service, operation, **parameters)

    other, late = account_at(url), list[str]()
    monkeypatch.setattr(account, "ask", handing_over)
    down(account)

    assert late
    assert users(other) == []


def _but_stacks(found: Content) -> Content:
    """Without a stack's status, which tells how it came to be what it is."""
    return {name: what for name, what in found.items() if name != "stacks"}


def users(account: Account) -> list[str]:
    return [user["UserName"] for user in account.ask("iam", "list_users")["Users"]]


def keys(account: Account) -> list[str]:
    """Of the private cloud's user."""
    try:
        found = account.ask("iam", "list_access_keys", UserName=account.names.private_web_user)
    except NotFound:
        return []
    return [key["AccessKeyId"] for key in found["AccessKeyMetadata"]]


def hand_over(account: Account) -> None:
    """Make a key, as `burstlens deploy openstack up` does."""
    account.ask("iam", "create_access_key", UserName=account.names.private_web_user)


def test_down_leaves_nothing(url: str) -> None:
    account = account_at(url)
    empty = content(account)
    bring_up(account)
    put(account, INPUTS, "cat.jpg")

    assert down(account).lines() == []
    assert content(account) == empty
    assert down(account).lines() == []


def test_down_ends_workers_builders_and_the_web_host_but_nobody_elses_instances(moto: str) -> None:
    account = account_at(moto)
    bring_up(account, image=IMAGE, with_web=True)
    launch(account, count=3)
    launch(account, count=1, tag=BUILDER)
    launch(account_at(moto, "another"), count=1)

    down(account)

    assert content(account)["instances"] == [f'[["{tags.FLEET}", "another"]]']


def test_down_removes_response_queues_images_and_every_version_of_an_object(moto: str) -> None:
    account = account_at(moto)
    empty, before = content(account), snapshots(account)
    bring_up(account)
    name = account.names.bucket(INPUTS)
    account.ask("s3", "put_bucket_versioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    put(account, INPUTS, "cat.jpg")
    put(account, INPUTS, "cat.jpg")
    account.ask("s3", "delete_object", Bucket=name, Key="cat.jpg")
    for queue in ("responses-web", "responses-web-dead"):
        account.ask("sqs", "create_queue", QueueName=f"{FLEET}-{queue}")
    image_of(account)
    account.ask("sqs", "create_queue", QueueName=f"{FLEET}2-requests")

    down(account)

    left = content(account)
    assert list(left.pop("queues")) == [f"{FLEET}2-requests"]
    assert left == {name: what for name, what in empty.items() if name != "queues"}
    assert snapshots(account) == before


def test_down_removes_what_a_bake_and_an_export_that_were_killed_have_left(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = account_at(moto)
    empty, before = content(account), snapshots(account)
    snapshot = snapshot_of(account, FLEET)
    others = snapshot_of(account, f"{FLEET}2")
    role = f"{FLEET}-vmdk-0123456789abcdef0"
    tag = tags.as_list({tags.FLEET: FLEET})
    account.ask("iam", "create_role", RoleName=role, AssumeRolePolicyDocument="{}", Tags=tag)
    ask = account.ask

    def exports(service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        """Moto knows none."""
        if operation == "describe_export_image_tasks":
            return {"ExportImageTasks": []}
        return ask(service, operation, **parameters)

    monkeypatch.setattr(account, "ask", exports)
    found = take_inventory(account)
    down(account)

    assert found.lines() == [f"snapshot {snapshot} of no image", f"role {role} of an export"]
    assert content(account) == empty
    assert snapshots(account) == before | {others: ""}


def snapshot_of(account: Account, fleet: str) -> str:
    """A snapshot as EC2 makes it for an image of the fleet."""
    volume = account.ask("ec2", "create_volume", AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    specification = {"ResourceType": "snapshot", "Tags": tags.as_list({tags.FLEET: fleet})}
    made = account.ask("ec2", "create_snapshot", VolumeId=volume, TagSpecifications=[specification])
    account.ask("ec2", "delete_volume", VolumeId=volume)
    return str(made["SnapshotId"])


def snapshots(account: Account) -> dict[str, str]:
    """What each is for, by id. Moto has many from the beginning."""
    found = account.ask("ec2", "describe_snapshots", OwnerIds=["self"])["Snapshots"]
    return {each["SnapshotId"]: each.get("Description", "") for each in found}


def image_of(account: Account) -> None:
    """An image as `burstlens image bake` makes it."""
    launch(account, count=1, tag=BUILDER)
    filters = [{"Name": f"tag:{BUILDER}", "Values": [FLEET]}]
    (found,) = account.ask("ec2", "describe_instances", Filters=filters)["Reservations"]
    account.ask(
        "ec2",
        "create_image",
        InstanceId=found["Instances"][0]["InstanceId"],
        Name="burstlens-1",
        TagSpecifications=[{"ResourceType": "image", "Tags": tags.as_list({tags.FLEET: FLEET})}],
    )


def test_an_autoscaler_that_goes_on_launching_during_a_down_leaves_no_instance(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = account_at(moto)
    bring_up(account)
    ask = account.ask

    def launching(service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401
        answer = ask(service, operation, **parameters)
        if operation == "terminate_instances" and find_stack(other) and len(launched) < 3:
            launch(other, count=1)
            launched.append(operation)
        return answer

    other, launched = account_at(moto), list[str]()
    launch(account, count=1)
    monkeypatch.setattr(account, "ask", launching)
    down(account)

    assert launched
    assert content(account)["instances"] == []


def test_what_is_kept_is_used_by_the_next_up(url: str) -> None:
    account = account_at(url)
    bring_up(account)
    put(account, INPUTS, "cat.jpg")
    kept = content(account)["buckets"]

    left = down(account, kept_buckets=BUCKETS)

    assert [line.split()[0] for line in left.lines()] == ["bucket", "bucket", "bucket"]
    assert content(account)["buckets"] == kept
    bring_up(account)
    assert content(account)["buckets"] == kept
    assert bring_up(account).proposals == [None]
    down(account)
    assert content(account)["buckets"] == {}


def test_a_stack_of_somebody_else_is_left_alone(url: str) -> None:
    account = account_at(url)
    template = "Resources: {Queue: {Type: 'AWS::SQS::Queue', Properties: {QueueName: theirs}}}"
    account.ask("cloudformation", "create_stack", StackName=FLEET, TemplateBody=template)

    for act in (lambda: bring_up(account), lambda: down(account)):
        with pytest.raises(Misconfigured, match=f"is not burstlens's: it has no tag {STACK}"):
            act()
    assert "theirs" in content(account)["queues"]


def test_the_first_resource_that_failed_is_named_and_the_next_up_starts_anew(
    ministack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = account_at(ministack)
    with monkeypatch.context() as patched:
        # Somebody makes one of the buckets just after `up` has looked.
        where = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        account.ask("s3", "create_bucket", Bucket=account.names.bucket(INPUTS), **where)
        patched.setattr("burstlens.deploy.aws.up.has_bucket", lambda *_: False)
        with pytest.raises(Unavailable, match=r"^the stack burstlens could not be changed: Inputs: .* already exists"):
            bring_up(account)
    stack = find_stack(account)
    assert stack is not None
    assert stack.never_was

    with pytest.raises(Misconfigured, match="goes on from there"):
        plan(account, order(), Shown())
    bring_up(account)

    assert content(account)["stacks"][0][1] == "COMPLETE"
    assert len(content(account)["buckets"]) == 3


Death = tuple[int, bool]
"""The number of the call, and whether it still happens."""


def _deaths(run: Callable[[Account], object], url: str) -> list[Death]:
    """Where a run can die: before and after each of its calls that changes something.

    Between two of them the account is what it is, or goes on by itself; a dead process makes no difference to that.
    """
    with calls() as watched:
        run(account_at(url))
    changing = [number for number, name in enumerate(watched.names) if not name.startswith(CHANGES_NOTHING)]
    assert len(changing) > 1
    return [(number, happens) for number in changing for happens in (False, True)]


def _die(run: Callable[[Account], object], account: Account, death: Death) -> None:
    with calls() as watched:
        watched.dies_at, watched.happens = death
        with pytest.raises(Died):
            run(account)


SHARES = 3
"""In so many tests, so that none takes long."""


@pytest.mark.parametrize("share", range(SHARES))
def test_up_that_died_anywhere_is_finished_by_the_next_up(ministack: str, share: int) -> None:
    deaths = _deaths(bring_up, ministack)
    clean = _comparable(content(account_at(ministack)))

    for death in deaths[share::SHARES]:
        reset(ministack)
        account = account_at(ministack)
        _die(bring_up, account, death)
        bring_up(account)
        assert _comparable(content(account)) == clean, death


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("double", ["moto", "ministack"])
def test_down_that_died_anywhere_is_finished_by_the_next_down(own_doubles: Doubles, double: str, share: int) -> None:
    url = own_doubles.by_name(double).url
    reset(url)
    account = account_at(url)
    empty = content(account)
    _prepare(account)
    deaths = _deaths(down, url)
    if double == "moto":  # it is slow, and has nothing that goes on by itself between two looks
        deaths = [death for death in deaths if death[1]]
    assert content(account) == empty

    for death in deaths[share::SHARES]:
        _prepare(account)
        _die(down, account_at(url), death)
        assert down(account_at(url)).lines() == []
        assert content(account) == empty, death


def _prepare(account: Account) -> None:
    bring_up(account, private_cloud=True)
    hand_over(account)
    put(account, INPUTS, "cat.jpg")
    account.ask("sqs", "create_queue", QueueName=f"{FLEET}-responses-web")
    launch(account, count=2)


def _comparable(found: Content) -> Content:
    """Without what the double makes anew with each reset."""
    stacks = [
        (name, status, [pair for pair in parameters if pair[0] != "VpcId"])
        for name, status, parameters in found["stacks"]
    ]
    return found | {"stacks": stacks}
