"""What a queue on SQS does beyond the contract: long leases, strange bodies, many dead letters."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from burstlens.clock import ManualClock
from burstlens.queues.base import Message, Queue, QueueOptions
from burstlens.queues.sqs.queues import SqsQueues
from support.aws_doubles import Doubles
from support.queue_backends import sqs_queues
from support.sqs_server import Call, Forward, SqsServer, answered, refuses, sqs_server, with_parameters

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

OPTIONS = QueueOptions(lease_seconds=60, max_attempts=2)
ALMOST_TWELVE_HOURS = 12 * 3600 - 10


@pytest.fixture(params=["moto", "ministack"])
async def server(request: pytest.FixtureRequest, doubles: Doubles) -> AsyncIterator[SqsServer]:
    async with sqs_server(doubles.by_name(request.param).url) as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def queues(server: SqsServer, clock: ManualClock) -> AsyncIterator[SqsQueues]:
    queues = sqs_queues(server.url, f"q{secrets.token_hex(4)}-", clock=clock)
    yield queues
    await queues.close()


@pytest.fixture
async def queue(queues: SqsQueues) -> Queue:
    return await queues.create("requests", OPTIONS)


async def bury(queue: Queue, *bodies: str) -> None:
    await queue.send([Message(body) for body in bodies])
    while deliveries := await queue.receive(10, 0):
        await queue.bury(deliveries, "why")


async def receive_all(queue: Queue) -> list[str]:
    found: list[str] = []
    while batch := await queue.receive(10, 0):
        found += [delivery.body for delivery in batch]
    return sorted(found)


# Leases


async def test_no_lease_lasts_longer_than_twelve_hours(server: SqsServer, queue: Queue, clock: ManualClock) -> None:
    await queue.send([Message("m")])
    deliveries = await queue.receive(1, 0)
    assert await queue.extend(deliveries, 2 * ALMOST_TWELVE_HOURS) == []
    await clock.advance(ALMOST_TWELVE_HOURS - 100.5)
    assert await queue.extend(deliveries, 300) == []
    seconds = [call.parameters["Entries"][0]["VisibilityTimeout"] for call in server.of("ChangeMessageVisibilityBatch")]
    assert seconds == [ALMOST_TWELVE_HOURS, 100]
    await clock.advance(99.9)
    assert await queue.extend(deliveries, 300) == deliveries
    assert len(server.of("ChangeMessageVisibilityBatch")) == 2


async def test_sqs_is_not_asked_about_leases_that_ended(server: SqsServer, queue: Queue, clock: ManualClock) -> None:
    await queue.send([Message("m")])
    deliveries = await queue.receive(1, 0)
    await clock.advance(OPTIONS.lease_seconds)
    assert await queue.extend(deliveries, 60) == deliveries
    await queue.release(deliveries)
    assert server.of("ChangeMessageVisibilityBatch") == []


async def test_what_was_released_is_not_touched_again(queue: Queue) -> None:
    await queue.send([Message("m")])
    deliveries = await queue.receive(1, 0)
    await queue.release(deliveries)
    await queue.delete(deliveries)
    await queue.bury(deliveries, "why")
    assert await queue.extend(deliveries, 60) == deliveries
    assert await queue.dead_letter_count() == 0
    assert await receive_all(queue) == ["m"]


async def test_an_opened_queue_knows_the_lease_that_it_was_created_with(
    server: SqsServer, queues: SqsQueues, queue: Queue, clock: ManualClock
) -> None:
    await queue.send([Message("m")])
    opened = await queues.open(queue.name)
    deliveries = await opened.receive(1, 0)
    await clock.advance(OPTIONS.lease_seconds - 1)
    assert await opened.extend(deliveries, 60) == []


async def test_naming_a_receipt_twice_is_harmless(queue: Queue) -> None:
    await queue.send([Message("m")])
    (delivery,) = await queue.receive(1, 0)
    assert await queue.extend([delivery, delivery], 100) == []
    await queue.delete([delivery, delivery])
    assert (await queue.depth()).total == 0


async def test_more_than_ten_leases_are_extended_and_deleted_in_batches(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message(str(number)) for number in range(25)])
    deliveries = [delivery for _ in range(3) for delivery in await queue.receive(10, 0)]
    assert len(deliveries) == 25
    assert await queue.extend(deliveries, 100) == []
    await queue.delete(deliveries)
    assert (await queue.depth()).total == 0
    for action in ("SendMessageBatch", "ChangeMessageVisibilityBatch", "DeleteMessageBatch"):
        assert [len(call.parameters["Entries"]) for call in server.of(action)] == [10, 10, 5]


# Receiving


@pytest.mark.parametrize(("wait_seconds", "asked"), [(0, [0]), (0.3, [1]), (1, [1])])
async def test_a_wait_is_rounded_up_to_whole_seconds(
    wait_seconds: float, asked: list[int], server: SqsServer, queue: Queue
) -> None:
    assert await queue.receive(1, wait_seconds) == []
    assert [call.parameters["WaitTimeSeconds"] for call in server.of("ReceiveMessage")] == asked


async def test_no_more_than_ten_are_asked_for(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message(str(number)) for number in range(12)])
    assert len(await queue.receive(50, 0)) == 10
    assert server.of("ReceiveMessage")[0].parameters["MaxNumberOfMessages"] == 10


# Sending


@pytest.mark.parametrize("body", ["bell\a", "nul\0", "\ud800", ""])
async def test_what_sqs_refuses_is_not_sent_and_nothing_with_it(body: str, server: SqsServer, queue: Queue) -> None:
    with pytest.raises(ValueError, match="which SQS refuses"):
        await queue.send([Message("fine"), Message(body)])
    assert server.of("SendMessageBatch") == []


async def test_ten_messages_of_100_kb_are_one_call_and_ten_of_200_kb_two(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message("x" * 100_000)] * 10)
    await queue.send([Message("x" * 200_000)] * 10)
    assert [len(call.parameters["Entries"]) for call in server.of("SendMessageBatch")] == [10, 5, 5]


# Dead letters


async def test_many_dead_letters_are_listed_and_stay_to_be_seen(queue: Queue) -> None:
    bodies = [f"{number:02}" for number in range(25)]
    await bury(queue, *bodies)
    for _ in range(2):
        assert len(await queue.dead_letters(limit=12)) == 12
        assert sorted(letter.body for letter in await queue.dead_letters()) == bodies
    assert await queue.dead_letter_count() == 25


async def test_a_letter_that_shows_again_too_early_is_listed_once(server: SqsServer, queue: Queue) -> None:
    await bury(queue, "m")
    server.faults["ReceiveMessage"].extend([with_parameters(VisibilityTimeout=0)] * 2)
    assert [letter.body for letter in await queue.dead_letters()] == ["m"]


async def test_all_of_many_dead_letters_are_redriven(queue: Queue) -> None:
    bodies = [f"{number:02}" for number in range(25)]
    await bury(queue, *bodies)
    assert await queue.redrive() == 25
    assert await queue.dead_letter_count() == 0
    assert await receive_all(queue) == bodies


async def test_some_of_many_dead_letters_are_purged_and_the_rest_can_be_seen_at_once(queue: Queue) -> None:
    bodies = [f"{number:02}" for number in range(25)]
    await bury(queue, *bodies)
    ids = {letter.body: letter.message_id for letter in await queue.dead_letters()}
    assert await queue.purge_dead_letters([ids["24"], ids["03"]]) == 2
    assert sorted(letter.body for letter in await queue.dead_letters()) == [b for b in bodies if b not in ("24", "03")]


async def test_two_operators_at_once_lose_nothing(queues: SqsQueues, queue: Queue) -> None:
    bodies = [f"{number:02}" for number in range(25)]
    await bury(queue, *bodies)
    other = await queues.open(queue.name)
    counts = await asyncio.gather(queue.redrive(), other.redrive(), queue.dead_letters())
    while await queue.redrive():
        pass
    left = sorted(letter.body for letter in await queue.dead_letters())
    assert set(await receive_all(queue)) | set(left) == set(bodies)
    assert counts[0] + counts[1] > 0


async def test_a_redrive_that_dies_half_way_loses_nothing(server: SqsServer, queue: Queue) -> None:
    await bury(queue, "m")
    server.faults["DeleteMessageBatch"].append(refuses("AccessDenied"))
    with pytest.raises(Exception, match="AccessDenied"):
        await queue.redrive()
    assert await queue.dead_letter_count() == 1
    assert await receive_all(queue) == ["m"]


async def test_a_reason_may_be_anything(queue: Queue) -> None:
    await queue.send([Message("m")])
    await queue.bury(await queue.receive(1, 0), "\0 control \x1b and " + "漢" * 1000)
    (letter,) = await queue.dead_letters()
    assert letter.reason.startswith("? control ? and 漢")
    assert len(letter.reason.encode()) <= 500


async def test_a_message_that_sqs_itself_gave_up_says_so(server: SqsServer, queue: Queue) -> None:
    await queue.send([Message("m")])
    for _ in range(6):
        (*deliveries,) = await queue.receive(1, 0)
        await queue.release(deliveries)
    (letter,) = await queue.dead_letters()
    assert (letter.body, letter.attempts, letter.reason) == ("m", 5, "given up after 5 deliveries")
    assert await queue.redrive() == 1
    (delivery,) = await queue.receive(1, 0)
    assert delivery.attempt == 1


async def test_the_count_is_as_old_as_the_call_took(server: SqsServer, queue: Queue, clock: ManualClock) -> None:
    async def slowly(call: Call, forward: Forward) -> web.StreamResponse:
        await clock.advance(3)
        return answered(await forward(call.parameters))

    server.faults["GetQueueAttributes"].append(slowly)
    assert (await queue.depth()).age_seconds == 3
