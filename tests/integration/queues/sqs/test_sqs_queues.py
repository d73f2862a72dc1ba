"""Queues on SQS by name: what is created, changed, listed and removed, and by which calls."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.errors import Misconfigured, NotAuthorized, NotFound, Unavailable
from burstlens.messages import Request
from burstlens.queues.base import Message, QueueOptions
from burstlens.queues.sqs.api import SqsApi
from burstlens.queues.sqs.queues import SqsQueues
from support.aws_doubles import REGION, Doubles
from support.queue_backends import sqs_queues
from support.sqs_server import Call, Forward, SqsServer, refuses, sqs_server, with_parameters

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

OPTIONS = QueueOptions(lease_seconds=60, max_attempts=2)
READS = {"GetQueueUrl", "GetQueueAttributes"}


@pytest.fixture(params=["moto", "ministack"])
async def server(request: pytest.FixtureRequest, doubles: Doubles) -> AsyncIterator[SqsServer]:
    async with sqs_server(doubles.by_name(request.param).url) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    return f"q{secrets.token_hex(4)}-"


@pytest.fixture
async def queues(server: SqsServer, prefix: str) -> AsyncIterator[SqsQueues]:
    queues = sqs_queues(server.url, prefix)
    yield queues
    await queues.close()


@pytest.fixture
async def api(server: SqsServer) -> AsyncIterator[SqsApi]:
    """What an operator does by hand."""
    api = SqsApi(AwsSession(AwsOptions(region=REGION, endpoint=server.url)), SystemClock())
    yield api
    await api.close()


async def attributes(api: SqsApi, physical: str) -> dict[str, str]:
    url = (await api.call("GetQueueUrl", QueueName=physical))["QueueUrl"]
    return dict((await api.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"])


async def physical_names(api: SqsApi, prefix: str) -> list[str]:
    answer = await api.call("ListQueues", QueueNamePrefix=prefix)
    return sorted(url.rpartition("/")[2] for url in answer.get("QueueUrls") or ())


# Creating


async def test_a_queue_is_born_with_all_that_it_needs(api: SqsApi, queues: SqsQueues, prefix: str) -> None:
    await queues.create("requests", OPTIONS)
    queue, dead = await attributes(api, f"{prefix}requests"), await attributes(api, f"{prefix}requests-dead")
    assert queue["VisibilityTimeout"] == "60"
    assert queue["ReceiveMessageWaitTimeSeconds"] == "20"
    assert queue["SqsManagedSseEnabled"] == dead["SqsManagedSseEnabled"] == "true"
    assert dead["MessageRetentionPeriod"] == str(14 * 86400)
    assert dead["QueueArn"] in queue["RedrivePolicy"]
    assert await physical_names(api, prefix) == [f"{prefix}requests", f"{prefix}requests-dead"]


async def test_whoever_may_only_read_can_create_what_is_there(server: SqsServer, queues: SqsQueues) -> None:
    await queues.create("requests", OPTIONS)
    server.calls.clear()
    await queues.create("requests", OPTIONS)
    await queues.open("requests")
    assert set(server.actions()) == READS


async def test_only_what_differs_is_set(server: SqsServer, queues: SqsQueues) -> None:
    await queues.create("requests", OPTIONS)
    await queues.create("requests", QueueOptions(lease_seconds=90, max_attempts=2))
    (call,) = server.of("SetQueueAttributes")
    assert call.parameters["Attributes"] == {"VisibilityTimeout": "90"}


async def test_the_dead_letter_queue_is_the_one_that_the_policy_names(
    api: SqsApi, queues: SqsQueues, prefix: str
) -> None:
    await queues.create("failed", OPTIONS)
    arn = (await attributes(api, f"{prefix}failed"))["QueueArn"]
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 5}}'
    await api.call("CreateQueue", QueueName=f"{prefix}requests", Attributes={"RedrivePolicy": policy})
    queue = await queues.create("requests", OPTIONS)
    await queue.send([Message("m")])
    await queue.bury(await queue.receive(1, 0), "why")
    assert [delivery.body for delivery in await (await queues.open("failed")).receive(1, 0)] == ["m"]
    assert await queue.dead_letter_count() == 1
    await queues.remove("requests")
    assert await queues.names() == ["failed"]


async def test_a_queue_of_others_gets_a_dead_letter_queue(api: SqsApi, queues: SqsQueues, prefix: str) -> None:
    await api.call("CreateQueue", QueueName=f"{prefix}requests", Attributes={})
    bare = await queues.open("requests")
    with pytest.raises(Misconfigured, match="RedrivePolicy"):
        await bare.dead_letter_count()
    assert bare.max_message_bytes == 1024 * 1024
    await queues.create("requests", OPTIONS)
    assert await (await queues.open("requests")).dead_letter_count() == 0


async def test_a_dead_letter_queue_that_is_gone_is_made_again(api: SqsApi, queues: SqsQueues, prefix: str) -> None:
    await queues.create("requests", OPTIONS)
    url = (await api.call("GetQueueUrl", QueueName=f"{prefix}requests-dead"))["QueueUrl"]
    await api.call("DeleteQueue", QueueUrl=url)
    queue = await queues.create("requests", OPTIONS)
    assert await queue.dead_letter_count() == 0


async def test_somebody_else_may_create_it_at_the_same_moment_with_other_attributes(
    api: SqsApi, server: SqsServer, queues: SqsQueues, prefix: str
) -> None:
    await api.call("CreateQueue", QueueName=f"{prefix}requests", Attributes={"VisibilityTimeout": "7"})
    server.faults["GetQueueUrl"].append(refuses("QueueDoesNotExist"))
    await queues.create("requests", OPTIONS)
    assert (await attributes(api, f"{prefix}requests"))["VisibilityTimeout"] == "60"


async def test_a_queue_that_cannot_be_created_says_why(server: SqsServer, queues: SqsQueues) -> None:
    server.faults["CreateQueue"].append(refuses("InvalidAttributeValue"))
    with pytest.raises(Misconfigured, match="InvalidAttributeValue"):
        await queues.create("requests", OPTIONS)
    server.faults["CreateQueue"].append(refuses("AccessDenied"))
    with pytest.raises(NotAuthorized):
        await queues.create("requests", OPTIONS)


async def test_what_was_removed_a_moment_ago_is_unavailable_for_now(server: SqsServer, queues: SqsQueues) -> None:
    server.faults["CreateQueue"].extend([refuses("QueueDeletedRecently")] * 10)
    with pytest.raises(Unavailable, match="QueueDeletedRecently"):
        await queues.create("requests", OPTIONS)


async def test_a_new_queue_may_take_a_moment_to_show(server: SqsServer, queues: SqsQueues) -> None:
    gone = refuses("QueueDoesNotExist")
    server.faults["GetQueueUrl"].extend([gone, gone, gone])  # queue; its dead letters; these when they were just made
    queue = await queues.create("requests", OPTIONS)
    assert (await queue.depth()).total == 0
    assert len(server.of("CreateQueue")) == 2


# Listing and removing


async def test_names_come_in_pages(server: SqsServer, queues: SqsQueues) -> None:
    names = [f"responses-{number}" for number in range(4)]
    for name in [*names, "requests"]:
        await queues.create(name, OPTIONS)
    server.faults["ListQueues"].append(with_parameters(MaxResults=3))

    async def following(call: Call, forward: Forward) -> web.StreamResponse:
        assert call.parameters["NextToken"]
        return await with_parameters(MaxResults=3)(call, forward)

    server.faults["ListQueues"].extend([following, following])
    assert await queues.names("responses-") == names
    assert len(server.of("ListQueues")) == 3


async def test_others_queues_are_not_listed(server: SqsServer, queues: SqsQueues, prefix: str) -> None:
    await queues.create("requests", OPTIONS)
    stranger = sqs_queues(server.url, f"x{prefix}")
    assert await stranger.names() == []
    await stranger.close()


async def test_what_is_half_made_is_listed_and_can_be_removed(
    api: SqsApi, server: SqsServer, queues: SqsQueues, prefix: str
) -> None:
    await api.call("CreateQueue", QueueName=f"{prefix}responses-a-dead")
    assert await queues.names("responses-") == ["responses-a"]
    with pytest.raises(NotFound):
        await queues.open("responses-a")
    await queues.remove("responses-a")
    assert await physical_names(api, prefix) == []


async def test_a_removal_that_dies_half_way_leaves_a_name_to_remove_again(
    api: SqsApi, server: SqsServer, queues: SqsQueues, prefix: str
) -> None:
    await queues.create("responses-a", OPTIONS)
    server.faults["DeleteQueue"].extend([with_parameters(), refuses("AccessDenied")])
    with pytest.raises(NotAuthorized):
        await queues.remove("responses-a")
    assert await queues.names() == ["responses-a"]
    await queues.remove("responses-a")
    assert await physical_names(api, prefix) == []


# The one response queue


async def test_one_response_queue_may_stand_for_all(api: SqsApi, server: SqsServer, prefix: str) -> None:
    fixed = f"{prefix}answers"
    await api.call("CreateQueue", QueueName=fixed, Attributes={"VisibilityTimeout": "7"})
    queues = sqs_queues(server.url, "other-", response_name=fixed)
    first, second = await queues.create("responses-a", OPTIONS), await queues.open("responses-b")
    await first.send([Message("m")])
    (delivery,) = await second.receive(1, 0)
    assert (first.name, second.name, delivery.body) == ("responses-a", "responses-b", "m")
    with pytest.raises(Misconfigured, match="no dead-letter queue"):
        await second.bury([delivery], "why")
    await queues.remove("responses-a")
    assert (await attributes(api, fixed))["VisibilityTimeout"] == "7"
    assert await physical_names(api, prefix) == [fixed]
    await queues.close()


async def test_the_one_response_queue_is_created_when_it_is_missing(
    api: SqsApi, server: SqsServer, prefix: str
) -> None:
    queues = sqs_queues(server.url, "other-", response_name=f"{prefix}answers")
    queue = await queues.create("responses-a", OPTIONS)
    await queue.send([Message("m")])
    await queue.bury(await queue.receive(1, 0), "not a result")
    assert await physical_names(api, prefix) == [f"{prefix}answers", f"{prefix}answers-dead"]
    assert await queues.names("responses-") == []
    await queues.close()


# Small messages


async def test_a_small_queue_takes_small_messages_and_can_bury_the_largest(
    api: SqsApi, queues: SqsQueues, prefix: str
) -> None:
    await api.call("CreateQueue", QueueName=f"{prefix}requests-dead", Attributes={"MaximumMessageSize": "1024"})
    await api.call("CreateQueue", QueueName=f"{prefix}requests", Attributes={"MaximumMessageSize": "1024"})
    queue = await queues.create("requests", OPTIONS)
    assert queue.max_message_bytes == 1024 - 128
    largest = "ä" * (queue.max_message_bytes // 2)
    await queue.send([Message(largest)])
    await queue.bury(await queue.receive(1, 0), "because of a reason that is far too long: " + "blah " * 200)
    (letter,) = await queue.dead_letters()
    assert (letter.body, letter.reason[:16]) == (largest, "because of a rea")
    assert await queue.redrive() == 1
    with pytest.raises(ValueError, match="at most 896"):
        await queue.send([Message(largest + "x")])


async def test_the_claim_check_of_a_request_fits_into_the_smallest_queue() -> None:
    request = Request(
        id="0123456789abcdef0123456789abcdef01234567",
        filename="a quite ordinary name for a photograph (1).jpeg",
        content_type="image/jpeg",
        input_key="inputs/0123456789abcdef0123456789abcdef01234567",
        reply_to="responses-" + "x" * 60,
        submitted_at=datetime.now(UTC),
    )
    assert len(request.to_json().encode()) <= 1024 - 128
