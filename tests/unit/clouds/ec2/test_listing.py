"""What EC2 lists, as the port's instances."""

import pytest

from burstlens.clouds.base import Instance, State
from burstlens.clouds.ec2 import tags
from burstlens.clouds.ec2.listing import described, instance_from
from burstlens.errors import Throttled, Unavailable
from support.ec2_stub import LAUNCHED, StubbedSession, item

FLEET = {"tag:burstlens:fleet": "fleet-a"}
ASKED = {"Filters": [{"Name": "tag:burstlens:fleet", "Values": ["fleet-a"]}], "MaxResults": 1000}
IDS = [f"i-{number:017x}" for number in range(5)]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("pending", State.PENDING),
        ("running", State.RUNNING),
        ("shutting-down", State.DRAINING),
        ("stopping", State.DRAINING),
        ("stopped", State.FAILED),
        ("terminated", State.TERMINATED),
    ],
)
def test_each_state_of_ec2_is_one_of_the_port(said: str, state: State) -> None:
    assert instance_from(item(state=said)).state is state


@pytest.mark.parametrize("said", ["pending", "running"])
def test_whoever_has_the_drain_tag_drains(said: str) -> None:
    assert instance_from(item(state=said, more_tags=[tags.DRAIN])).state is State.DRAINING


@pytest.mark.parametrize(("said", "state"), [("stopped", State.FAILED), ("terminated", State.TERMINATED)])
def test_the_drain_tag_does_not_hide_an_end(said: str, state: State) -> None:
    assert instance_from(item(state=said, more_tags=[tags.DRAIN])).state is state


def test_an_instance_is_told_by_its_tags_and_its_launch_time() -> None:
    assert instance_from(item("i-0123456789abcdef0")) == Instance(
        "i-0123456789abcdef0", "app-tier-1", "burst", State.RUNNING, LAUNCHED.timestamp()
    )


def test_r2_an_instance_without_a_name_counts_too() -> None:
    instance = instance_from(item("i-0123456789abcdef0", name=""))

    assert (instance.name, instance.pool, instance.state.counts) == ("i-0123456789abcdef0", "", True)


def test_a_stopped_one_says_why() -> None:
    reason = ("Server.ScheduledStop", "Server.ScheduledStop: Stopped due to scheduled retirement")

    assert instance_from(item(state="stopped", reason=reason)).fault == f"it is stopped: {reason[1]}"
    assert instance_from(item(state="stopped")).fault == "it is stopped"


@pytest.mark.parametrize(
    ("code", "is_fault"),
    [
        ("Client.InternalError", True),
        ("Server.InsufficientInstanceCapacity", True),
        ("Client.UserInitiatedShutdown", False),
        ("Client.InstanceInitiatedShutdown", False),
        ("Server.SpotInstanceTermination", False),
    ],
)
def test_only_one_that_ec2_ended_at_its_launch_has_a_fault(code: str, is_fault: bool) -> None:
    instance = instance_from(item(state="terminated", reason=(code, f"{code}: something")))

    assert instance.fault == (f"EC2 ended it at its launch: {code}: something" if is_fault else "")


@pytest.mark.anyio
async def test_all_pages_are_one_list(session: StubbedSession) -> None:
    session.lists(item(IDS[0]), item(IDS[1]), more="two", asked=ASKED)
    session.lists(item(IDS[2]), more="three", asked={**ASKED, "NextToken": "two"})
    session.lists(asked={**ASKED, "NextToken": "three"})

    assert [instance.id for instance in await described(session.ec2, FLEET)] == IDS[:3]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("code", "kind"),
    [("RequestLimitExceeded", Throttled), ("InternalError", Unavailable), ("InvalidNextToken", Unavailable)],
)
async def test_r7_a_page_that_fails_is_no_shorter_list(
    session: StubbedSession, code: str, kind: type[Exception]
) -> None:
    session.lists(item(IDS[0]), more="two")
    session.refuses("describe_instances", code)

    with pytest.raises(kind):
        await described(session.ec2, FLEET)
