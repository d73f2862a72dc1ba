"""The adapter against canned answers: what moto never says."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import structlog

from burstlens.clock import SystemClock
from burstlens.clouds.base import Instance, Pool, Spec, State
from burstlens.clouds.ec2.cloud import Ec2Cloud
from burstlens.errors import NotAuthorized, NotFound, Unavailable
from support.ec2_stub import ANY, StubbedSession, item

pytestmark = pytest.mark.anyio

FLEET = "fleet-a"
CALL = "call-1"
POOL = Pool(name="burst", cloud="ec2", cap=4, launch_template="workers")
ONE, TWO = "i-0123456789abcdef0", "i-0123456789abcdef1"
BY_TOKEN = [{"Name": "tag:burstlens:launch", "Values": [CALL]}, {"Name": "tag:burstlens:fleet", "Values": [FLEET]}]
BY_NAME = [*BY_TOKEN, {"Name": "tag:Name", "Values": ["app-tier-1"]}]


class NoWait(SystemClock):
    """A clock on which all the time that is slept goes by at once."""

    slept = 0.0

    def now(self) -> float:
        return super().now() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds
        await super().sleep(0)


@pytest.fixture
def clock() -> NoWait:
    return NoWait()


@pytest.fixture
def cloud(session: StubbedSession, clock: NoWait) -> Ec2Cloud:
    return Ec2Cloud(session, clock)


async def launch(cloud: Ec2Cloud, *names: str) -> list[Instance]:
    return await cloud.launch(POOL, names or ["app-tier-1"], Spec({}), fleet=FLEET, token=CALL)


def asked(filters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Filters": filters, "MaxResults": 1000}


async def test_r1_r2_what_the_api_does_not_list_yet_counts(session: StubbedSession, cloud: Ec2Cloud) -> None:
    session.lists(asked=asked(BY_TOKEN))
    session.runs(item(ONE, state="pending"))
    session.lists()

    (born,) = await launch(cloud)

    assert await cloud.instances(FLEET) == [born]


async def test_r2_a_launch_repeated_before_it_is_listed_is_the_same_launch(
    session: StubbedSession, cloud: Ec2Cloud
) -> None:
    session.lists()
    session.runs(item(ONE, state="pending"))
    session.lists()

    assert await launch(cloud) == await launch(cloud)
    session.stub.assert_no_pending_responses()


async def test_an_answer_without_tags_is_still_the_instance_that_was_asked_for(
    session: StubbedSession, cloud: Ec2Cloud
) -> None:
    session.lists()
    session.runs(item(ONE) | {"Tags": []})

    (born,) = await launch(cloud)

    assert (born.id, born.name, born.pool) == (ONE, "app-tier-1", "burst")


@pytest.mark.parametrize("code", ["InternalError", "IdempotentParameterMismatch", "IdempotentInstanceTerminated"])
async def test_r2_a_launch_that_may_have_happened_is_looked_for(
    session: StubbedSession, cloud: Ec2Cloud, code: str
) -> None:
    session.lists(asked=asked(BY_TOKEN))
    session.refuses("run_instances", code)
    session.lists(item(ONE), asked=asked(BY_NAME))

    (born,) = await launch(cloud)

    assert born.id == ONE
    session.lists()
    assert [instance.id for instance in await cloud.instances(FLEET)] == [ONE]


async def test_r2_a_launch_that_may_have_happened_and_is_not_found_is_unknown(
    session: StubbedSession, cloud: Ec2Cloud
) -> None:
    session.lists()
    session.refuses("run_instances", "IdempotentParameterMismatch")
    session.lists()

    with pytest.raises(Unavailable, match="IdempotentParameterMismatch"):
        await launch(cloud)


async def test_r2_a_doubt_stays_a_doubt_when_it_cannot_be_looked_up(session: StubbedSession, cloud: Ec2Cloud) -> None:
    session.lists()
    session.refuses("run_instances", "InternalError")
    session.refuses("describe_instances", "UnauthorizedOperation")

    with pytest.raises(Unavailable, match="run_instances: InternalError"):
        await launch(cloud)


async def test_nothing_is_launched_before_it_is_known_what_the_token_launched(
    session: StubbedSession, cloud: Ec2Cloud
) -> None:
    session.refuses("describe_instances", "UnauthorizedOperation")

    with pytest.raises(NotAuthorized):
        await launch(cloud)
    session.stub.assert_no_pending_responses()


async def test_r13_one_that_ec2_ends_at_its_launch_is_shown_as_failed_until_it_is_terminated(
    session: StubbedSession, cloud: Ec2Cloud
) -> None:
    ended = item(ONE, state="terminated", reason=("Client.InternalError", "Client.InternalError: on launch"))
    session.lists()
    session.runs(item(ONE, state="pending"))
    session.lists(ended)
    await launch(cloud)

    (failed,) = await cloud.instances(FLEET)
    assert (failed.state, failed.fault) == (
        State.FAILED,
        "EC2 ended it at its launch: Client.InternalError: on launch",
    )

    session.stub.add_response("terminate_instances", {}, {"InstanceIds": [ONE]})
    session.lists(ended)
    await cloud.terminate([ONE])
    assert await cloud.instances(FLEET) == []


ENDS = pytest.mark.parametrize(
    ("end", "operation", "key"),
    [(Ec2Cloud.drain, "create_tags", "Resources"), (Ec2Cloud.terminate, "terminate_instances", "InstanceIds")],
)
End = Callable[[Ec2Cloud, Sequence[str]], Awaitable[None]]


def takes(session: StubbedSession, operation: str, key: str, *ids: str) -> None:
    more = {"Tags": ANY} if operation == "create_tags" else {}
    session.stub.add_response(operation, {}, {key: list(ids), **more})


@ENDS
async def test_unknown_ids_do_not_keep_the_others(
    session: StubbedSession, cloud: Ec2Cloud, end: End, operation: str, key: str
) -> None:
    session.refuses(operation, "InvalidInstanceID.NotFound", f"The instance ID '{ONE}' does not exist")
    takes(session, operation, key, TWO)

    await end(cloud, [ONE, TWO])

    session.stub.assert_no_pending_responses()


@ENDS
async def test_when_all_are_unknown_nothing_is_left_to_do(
    session: StubbedSession, cloud: Ec2Cloud, end: End, operation: str, key: str
) -> None:
    del key
    session.refuses(operation, "InvalidInstanceID.NotFound", f"The instance IDs '{ONE}, {TWO}' do not exist")

    await end(cloud, [ONE, TWO])


@ENDS
async def test_what_is_no_id_of_ec2_is_not_even_asked_for(
    session: StubbedSession, cloud: Ec2Cloud, end: End, operation: str, key: str
) -> None:
    takes(session, operation, key, ONE)

    await end(cloud, ["nobody", "../nobody", ONE, "i-0123", ONE, "asked-for:app-tier-1"])

    session.stub.assert_no_pending_responses()


@ENDS
async def test_many_go_in_batches(session: StubbedSession, cloud: Ec2Cloud, end: End, operation: str, key: str) -> None:
    ids = [f"i-{number:017x}" for number in range(250)]
    takes(session, operation, key, *ids[:200])
    takes(session, operation, key, *ids[200:])

    await end(cloud, ids)

    session.stub.assert_no_pending_responses()


@ENDS
async def test_an_instance_that_ec2_does_not_know_yet_is_asked_again(
    session: StubbedSession, cloud: Ec2Cloud, clock: NoWait, end: End, operation: str, key: str
) -> None:
    session.lists()
    session.runs(item(ONE, state="pending"))
    await launch(cloud)
    for _ in range(2):
        session.refuses(operation, "InvalidInstanceID.NotFound", f"The instance ID '{ONE}' does not exist")
    takes(session, operation, key, ONE)

    await end(cloud, [ONE])

    assert clock.slept == 3
    session.lists()
    (instance,) = await cloud.instances(FLEET)
    assert instance.state is State.DRAINING


@ENDS
async def test_an_instance_that_ec2_goes_on_not_knowing_was_not_reached(
    session: StubbedSession, cloud: Ec2Cloud, end: End, operation: str, key: str
) -> None:
    del key
    session.lists()
    session.runs(item(ONE, state="pending"))
    await launch(cloud)
    for _ in range(4):
        session.refuses(operation, "InvalidInstanceID.NotFound", f"The instance ID '{ONE}' does not exist")

    with pytest.raises(Unavailable, match=f"EC2 does not know {ONE} yet"):
        await end(cloud, [ONE])
    session.lists(item(ONE))
    (instance,) = await cloud.instances(FLEET)
    assert instance.state is State.RUNNING


async def test_a_refusal_that_names_nobody_is_told(session: StubbedSession, cloud: Ec2Cloud) -> None:
    session.refuses("terminate_instances", "InvalidInstanceID.NotFound", "who?")

    with pytest.raises(Unavailable, match=r"who\?") as caught:
        await cloud.terminate([ONE])
    assert isinstance(caught.value.__cause__, NotFound)


async def test_r4_a_drain_that_is_not_listed_yet_is_shown(session: StubbedSession, cloud: Ec2Cloud) -> None:
    takes(session, "create_tags", "Resources", ONE)
    session.lists(item(ONE), item(TWO, "app-tier-2"))
    await cloud.drain([ONE])

    states = {instance.id: instance.state for instance in await cloud.instances(FLEET)}

    assert states == {ONE: State.DRAINING, TWO: State.RUNNING}


async def test_of_several_only_those_that_were_born_are_returned_and_why_is_logged_once(
    session: StubbedSession, cloud: Ec2Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burstlens.clouds.ec2.launch._AT_ONCE", 1)
    session.lists()
    session.runs(item(ONE, "app-tier-1", "pending"))
    session.refuses("run_instances", "VcpuLimitExceeded", "more than 2 vCPUs")

    with structlog.testing.capture_logs() as logs:
        born = await launch(cloud, "app-tier-1", "app-tier-2", "app-tier-3")

    assert [instance.name for instance in born] == ["app-tier-1"]
    (line,) = logs
    assert (line["log_level"], line["asked"], line["born"]) == ("warning", 3, 1)
    assert line["error"] == "run_instances: VcpuLimitExceeded: more than 2 vCPUs"


async def test_r2_a_doubt_is_raised_even_when_others_were_born(
    session: StubbedSession, cloud: Ec2Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burstlens.clouds.ec2.launch._AT_ONCE", 1)
    session.lists()
    session.runs(item(ONE, "app-tier-1", "pending"))
    session.refuses("run_instances", "InternalError")
    session.lists()

    with pytest.raises(Unavailable):
        await launch(cloud, "app-tier-1", "app-tier-2", "app-tier-3")
    session.lists()
    assert [instance.name for instance in await cloud.instances(FLEET)] == ["app-tier-1"]


async def test_a_closed_adapter_has_no_client_and_can_be_closed_again(cloud: Ec2Cloud) -> None:
    await cloud.close()
    await cloud.close()
