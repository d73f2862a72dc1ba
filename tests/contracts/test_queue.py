"""What `burstlens.queues.base` promises, sentence by sentence, for every adapter."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from burstlens.errors import Misconfigured, NotFound
from burstlens.queues.base import BURIAL_ATTEMPTS, Delivery, Depth, Message, Queue, QueueOptions
from support.aws_doubles import Doubles
from support.queue_backends import BACKENDS, Opened, QueueBackend

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

T = TypeVar("T")
LEASE_SECONDS = 2.0
"""Some backends run in real time, and SQS counts in whole seconds."""
ENDED_SECONDS = LEASE_SECONDS + 0.1
OPTIONS = QueueOptions(lease_seconds=LEASE_SECONDS, max_attempts=2)
FOREVER_SECONDS = 900.0


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> QueueBackend:
    chosen = request.param
    assert isinstance(chosen, QueueBackend)
    test = request.function.__name__
    if defect := chosen.defects.get(test):
        pytest.skip(f"{chosen.name} cannot pass it: {defect}")
    return chosen


@pytest.fixture
def anyio_backend(backend: QueueBackend) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": backend.uvloop}


@pytest.fixture
async def opened(backend: QueueBackend, doubles: Doubles, tmp_path: Path) -> AsyncIterator[Opened]:
    async with backend.open(tmp_path, doubles) as opened:
        yield opened


@pytest.fixture
async def queue(opened: Opened) -> Queue:
    return await opened.queues.create("requests", OPTIONS)


@pytest.fixture
async def other(opened: Opened, queue: Queue) -> Queue:
    """The same queue, as another process sees it."""
    return await opened.others.open(queue.name)


async def receive_all(queue: Queue) -> list[Delivery]:
    """Whatever is visible now."""
    found: list[Delivery] = []
    while batch := await queue.receive(10, wait_seconds=0):
        found += batch
    return found


async def counted(queue: Queue) -> Depth:
    """How much is in it; how old that may be is the backend's own matter."""
    return replace(await queue.depth(), age_seconds=0.0)


async def in_time(opened: Opened, work: Coroutine[Any, Any, T], step_seconds: float = 0.5) -> T:
    """Let time go by until this is done."""
    task = asyncio.create_task(work)
    while not task.done():
        await opened.pass_time(step_seconds)
        await asyncio.sleep(0.001)
    return await task


async def started(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin it and give it a moment to get where it waits."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0.05)
    return task


async def soon(task: asyncio.Task[T]) -> T:
    async with asyncio.timeout(20):
        return await task


def bodies(deliveries: list[Delivery]) -> list[str]:
    return sorted(delivery.body for delivery in deliveries)


# Names and life of a queue


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "ä", "a.b", "x" * 81, "a\n"])
async def test_a_name_that_no_backend_could_hold_is_refused(opened: Opened, name: str) -> None:
    with pytest.raises(Misconfigured):
        await opened.queues.create(name, OPTIONS)
    with pytest.raises(Misconfigured):
        await opened.queues.open(name)
    with pytest.raises(Misconfigured):
        await opened.queues.remove(name)


async def test_the_longest_name_and_every_kind_of_character_are_fine(backend: QueueBackend, opened: Opened) -> None:
    names = ["x" * backend.longest_name, "aZ09_-", "-", "_a"]
    for name in names:
        assert (await opened.queues.create(name, OPTIONS)).name == name
    assert await opened.queues.names() == sorted(names)


async def test_opening_what_is_not_there_is_not_found(opened: Opened) -> None:
    with pytest.raises(NotFound):
        await opened.queues.open("missing")


async def test_creating_twice_is_the_same_call_and_keeps_the_messages(opened: Opened, queue: Queue) -> None:
    await queue.send([Message("kept")])
    again = await opened.others.create(queue.name, OPTIONS)
    assert bodies(await again.receive(10, wait_seconds=0)) == ["kept"]


async def test_many_who_create_at_once_share_one_queue(opened: Opened) -> None:
    queues = await asyncio.gather(
        *(opened.queues.create("shared", OPTIONS) for _ in range(5)),
        *(opened.others.create("shared", OPTIONS) for _ in range(5)),
    )
    for number, queue in enumerate(queues):
        await queue.send([Message(str(number))])
    assert len(await receive_all(queues[0])) == len(queues)


async def test_creating_again_changes_the_options_for_everybody(opened: Opened, queue: Queue, other: Queue) -> None:
    await opened.others.create(queue.name, QueueOptions(lease_seconds=100, max_attempts=2))
    await queue.send([Message("m")])
    assert await queue.receive(1, wait_seconds=0)
    await opened.pass_time(ENDED_SECONDS)
    assert await other.receive(1, wait_seconds=0) == []


async def test_names_are_listed_by_prefix_and_sorted(opened: Opened) -> None:
    for name in ("responses-b", "requests", "responses-a"):
        await opened.queues.create(name, OPTIONS)
    assert await opened.others.names() == ["requests", "responses-a", "responses-b"]
    assert await opened.others.names("responses-") == ["responses-a", "responses-b"]
    assert await opened.others.names("none") == []


async def test_no_names_before_the_first_queue(opened: Opened) -> None:
    assert await opened.queues.names() == []
    await opened.queues.remove("missing")


async def test_a_removed_queue_is_not_found_by_those_who_have_it_open(
    opened: Opened, queue: Queue, other: Queue
) -> None:
    await queue.send([Message("m")])
    (delivery,) = await other.receive(1, wait_seconds=0)
    await opened.queues.remove(queue.name)
    await opened.queues.remove(queue.name)
    assert await opened.queues.names() == []
    for handle in (queue, other):
        for call in (
            handle.send([Message("lost")]),
            handle.receive(1, wait_seconds=0),
            handle.extend([delivery], 10),
            handle.release([delivery]),
            handle.delete([delivery]),
            handle.bury([delivery], "why"),
            handle.depth(),
            handle.dead_letters(),
            handle.dead_letter_count(),
            handle.redrive(),
            handle.purge_dead_letters(),
        ):
            with pytest.raises(NotFound):
                await call
    with pytest.raises(NotFound):
        await opened.others.open(queue.name)


async def test_a_waiting_receiver_hears_that_its_queue_was_removed(opened: Opened, other: Queue) -> None:
    task = await started(other.receive(1, FOREVER_SECONDS))
    await opened.queues.remove(other.name)
    with pytest.raises(NotFound):
        await soon(task)


async def test_a_queue_that_was_removed_and_made_again_is_empty_and_another(
    backend: QueueBackend, opened: Opened, queue: Queue, other: Queue
) -> None:
    await queue.send([Message("old")])
    await opened.queues.remove(queue.name)
    new = await opened.queues.create(queue.name, OPTIONS)
    assert await counted(new) == Depth()
    if backend.remade_is_another:
        with pytest.raises(NotFound):
            await other.send([Message("to the old one")])
    await new.send([Message("new")])
    assert bodies(await (await opened.others.open(queue.name)).receive(10, wait_seconds=0)) == ["new"]


# Sending


async def test_sent_messages_arrive_as_they_were(queue: Queue, other: Queue) -> None:
    sent = ["plain", "Zażółć gęślą 漢字 🚀", "quotes \" ' \\ and\r\n\tlines", "x" * 200_000]
    await queue.send([Message(body) for body in sent])
    received = await receive_all(other)
    assert bodies(received) == sorted(sent)
    assert len({delivery.message_id for delivery in received}) == len(received)
    assert len({delivery.receipt for delivery in received}) == len(received)


async def test_sending_nothing_is_fine(queue: Queue) -> None:
    await queue.send([])
    assert await counted(queue) == Depth()


async def test_more_messages_than_fit_in_one_batch_of_any_backend(queue: Queue, other: Queue) -> None:
    await queue.send([Message(f"{number:03} {'x' * 100_000}") for number in range(25)])
    assert [body[:3] for body in bodies(await receive_all(other))] == [f"{number:03}" for number in range(25)]


async def test_the_largest_body_is_taken_and_a_larger_one_refuses_the_whole_batch(queue: Queue) -> None:
    largest = "x" * queue.max_message_bytes
    await queue.send([Message(largest)])
    (delivery,) = await queue.receive(1, wait_seconds=0)
    assert delivery.body == largest
    await queue.delete([delivery])
    with pytest.raises(ValueError, match="bytes"):
        await queue.send([Message("fits"), Message(largest + "x")])
    assert await counted(queue) == Depth()


async def test_the_limit_counts_bytes_not_characters(queue: Queue) -> None:
    with pytest.raises(ValueError, match="bytes"):
        await queue.send([Message("ä" * (queue.max_message_bytes // 2 + 1))])


async def test_sent_at_is_the_time_of_sending(opened: Opened, queue: Queue) -> None:
    await queue.send([Message("early")])
    await opened.pass_time(2)
    await queue.send([Message("late")])
    early, late = sorted(await receive_all(queue), key=lambda delivery: delivery.sent_at)
    assert (early.body, late.body) == ("early", "late")
    assert late.sent_at - early.sent_at == pytest.approx(2, abs=1)


async def test_a_delayed_message_comes_when_its_delay_is_over(opened: Opened, queue: Queue) -> None:
    await queue.send([Message("later", delay_seconds=2)])
    assert await queue.receive(1, wait_seconds=0) == []
    await opened.pass_time(2)
    assert bodies(await queue.receive(1, wait_seconds=0)) == ["later"]


# Receiving


async def test_at_most_limit_messages_are_received(queue: Queue) -> None:
    await queue.send([Message(str(number)) for number in range(7)])
    assert len(await queue.receive(3, wait_seconds=0)) <= 3
    assert len(await receive_all(queue)) >= 4


async def test_an_empty_queue_answers_when_the_wait_is_over(opened: Opened, queue: Queue) -> None:
    assert await queue.receive(1, wait_seconds=0) == []
    assert await in_time(opened, queue.receive(1, wait_seconds=1.5)) == []


async def test_a_receiver_never_waits_for_a_second_message(queue: Queue) -> None:
    await queue.send([Message("only")])
    assert bodies(await soon(await started(queue.receive(10, FOREVER_SECONDS)))) == ["only"]


async def test_a_waiting_receiver_is_woken_by_a_send_elsewhere(queue: Queue, other: Queue) -> None:
    task = await started(other.receive(1, FOREVER_SECONDS))
    assert not task.done()
    await queue.send([Message("wake")])
    assert bodies(await soon(task)) == ["wake"]


async def test_a_receiver_is_woken_again_and_again(queue: Queue, other: Queue) -> None:
    for number in range(20):
        task = asyncio.create_task(other.receive(1, FOREVER_SECONDS))
        await asyncio.sleep(0.002 * (number % 3))
        await queue.send([Message(str(number))])
        (delivery,) = await soon(task)
        assert delivery.body == str(number)
        await other.delete([delivery])


async def test_a_waiting_receiver_is_woken_by_a_release_and_by_a_redrive(queue: Queue, other: Queue) -> None:
    await queue.send([Message("m")])
    (delivery,) = await queue.receive(1, wait_seconds=0)
    task = await started(other.receive(1, FOREVER_SECONDS))
    await queue.release([delivery])
    (again,) = await soon(task)
    await queue.bury([again], "why")
    task = await started(other.receive(1, FOREVER_SECONDS))
    await queue.redrive()
    assert bodies(await soon(task)) == ["m"]


async def test_a_waiting_receiver_gets_what_becomes_due(opened: Opened, queue: Queue, other: Queue) -> None:
    await queue.send([Message("leased")])
    await queue.receive(1, wait_seconds=0)
    task = await started(other.receive(1, FOREVER_SECONDS))
    (again,) = await in_time(opened, soon(task))
    assert again.body == "leased"
    await other.delete([again])
    task = await started(other.receive(1, FOREVER_SECONDS))
    await queue.send([Message("delayed", delay_seconds=2)])
    (delivery,) = await in_time(opened, soon(task))
    assert delivery.body == "delayed"


async def test_many_receivers_get_different_messages_and_all_of_them(queue: Queue, other: Queue) -> None:
    waiting = [asyncio.create_task((queue, other)[n % 2].receive(3, FOREVER_SECONDS)) for n in range(10)]
    await asyncio.sleep(0.05)
    for start in range(0, 60, 6):
        await queue.send([Message(str(number)) for number in range(start, start + 6)])
    received = [delivery for task in waiting for delivery in await soon(task)]
    batches = await asyncio.gather(*((queue, other)[n % 2].receive(10, wait_seconds=0) for n in range(10)))
    received += [delivery for batch in batches for delivery in batch]
    received += await receive_all(queue)
    assert bodies(received) == sorted(str(number) for number in range(60))


async def test_a_cancelled_receive_loses_nothing(opened: Opened) -> None:
    # A backend that does not hear of it in time leases the message to whoever is gone, and counts that.
    queue = await opened.queues.create("requests", replace(OPTIONS, max_attempts=50))
    other = await opened.others.open("requests")
    turns = 12
    for number in range(turns):
        task = asyncio.create_task(other.receive(1, FOREVER_SECONDS))
        await asyncio.sleep(0.001 * (number % 4))
        await queue.send([Message(str(number))])
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            await other.release(task.result())
    expected, received = {str(number) for number in range(turns)}, set[str]()
    for _ in range(3):
        await opened.pass_time(LEASE_SECONDS + 1)
        received |= set(bodies(await receive_all(queue)))
        if received == expected:
            break
    assert received == expected


async def test_a_cancelled_receiver_does_not_take_the_wake_up_of_another(queue: Queue, other: Queue) -> None:
    first = await started(other.receive(1, FOREVER_SECONDS))
    second = await started(other.receive(1, FOREVER_SECONDS))
    first.cancel()
    await queue.send([Message("m")])
    assert bodies(await soon(second)) == ["m"]
    assert first.cancelled()


# Leases


async def test_r9_a_lease_that_ends_makes_the_message_visible_with_one_attempt_more(
    opened: Opened, queue: Queue, other: Queue
) -> None:
    await queue.send([Message("m")])
    (first,) = await queue.receive(1, wait_seconds=0)
    assert first.attempt == 1
    assert await other.receive(1, wait_seconds=0) == []
    await opened.pass_time(ENDED_SECONDS)
    (second,) = await other.receive(1, wait_seconds=0)
    assert (second.message_id, second.body, second.attempt) == (first.message_id, "m", 2)
    assert second.receipt != first.receipt
    assert second.sent_at == first.sent_at


async def test_r9_extend_keeps_the_lease_and_counts_from_now(opened: Opened, queue: Queue, other: Queue) -> None:
    await queue.send([Message("m")])
    deliveries = await queue.receive(1, wait_seconds=0)
    for _ in range(2):
        await opened.pass_time(LEASE_SECONDS - 0.8)
        assert await queue.extend(deliveries, LEASE_SECONDS) == []
    assert await other.receive(1, wait_seconds=0) == []
    await opened.pass_time(ENDED_SECONDS)
    assert len(await other.receive(1, wait_seconds=0)) == 1


async def test_r9_extend_reports_what_somebody_else_received_and_leaves_it_to_them(
    opened: Opened, queue: Queue, other: Queue
) -> None:
    await queue.send([Message("a"), Message("b")])
    old = await receive_all(queue)
    kept = next(delivery for delivery in old if delivery.body == "a")
    await queue.extend([kept], 100)
    await opened.pass_time(ENDED_SECONDS)
    (new,) = await other.receive(10, wait_seconds=0)
    lost = await queue.extend(old, 100)
    assert bodies(lost) == ["b"] == [new.body]
    await opened.pass_time(ENDED_SECONDS)
    assert bodies(await receive_all(other)) == ["b"]


async def test_extend_reports_what_was_deleted_released_or_ran_out(opened: Opened, queue: Queue) -> None:
    await queue.send([Message(body) for body in ("deleted", "released", "ran out")])
    deliveries = await receive_all(queue)
    by_body = {delivery.body: delivery for delivery in deliveries}
    await queue.delete([by_body["deleted"]])
    await queue.release([by_body["released"]], delay_seconds=50)
    assert bodies(await queue.extend(deliveries, LEASE_SECONDS)) == ["deleted", "released"]
    await opened.pass_time(ENDED_SECONDS)
    assert bodies(await queue.extend(deliveries, LEASE_SECONDS)) == ["deleted", "ran out", "released"]


async def test_stale_receipts_change_nothing_for_the_newer_lease(opened: Opened, queue: Queue, other: Queue) -> None:
    await queue.send([Message("m")])
    old = await queue.receive(1, wait_seconds=0)
    await opened.pass_time(ENDED_SECONDS)
    new = await other.receive(1, wait_seconds=0)
    await queue.delete(old)
    await queue.release(old)
    await queue.bury(old, "why")
    assert await queue.receive(1, wait_seconds=0) == []
    assert await queue.dead_letter_count() == 0
    assert await other.extend(new, LEASE_SECONDS) == []
    await other.delete(new)
    assert await counted(queue) == Depth()


async def test_work_that_ended_after_its_lease_still_counts_when_nobody_else_began(
    opened: Opened, queue: Queue
) -> None:
    await queue.send([Message("done"), Message("buried")])
    deliveries = {delivery.body: delivery for delivery in await receive_all(queue)}
    await opened.pass_time(ENDED_SECONDS)
    await queue.delete([deliveries["done"]])
    await queue.bury([deliveries["buried"]], "why")
    assert await receive_all(queue) == []
    assert await queue.dead_letter_count() == 1


async def test_deleting_again_is_harmless(opened: Opened, queue: Queue) -> None:
    await queue.send([Message("m"), Message("rest")])
    deliveries = await receive_all(queue)
    done = [delivery for delivery in deliveries if delivery.body == "m"]
    for _ in range(2):
        await queue.delete(done)
    await opened.pass_time(ENDED_SECONDS)
    assert bodies(await receive_all(queue)) == ["rest"]


async def test_r14_released_messages_are_visible_at_once(backend: QueueBackend, queue: Queue, other: Queue) -> None:
    await queue.send([Message("m")])
    delivery = await queue.receive(1, wait_seconds=0)
    await queue.release(delivery)
    (again,) = await other.receive(1, wait_seconds=0)
    assert again.attempt == (1 if backend.release_refunds_attempt else 2)
    await queue.delete(delivery)
    await queue.release(delivery)
    assert await other.extend([again], LEASE_SECONDS) == []


async def test_releasing_again_changes_nothing(backend: QueueBackend, queue: Queue) -> None:
    await queue.send([Message("m")])
    delivery = await queue.receive(1, wait_seconds=0)
    for _ in range(3):
        await queue.release(delivery)
    (again,) = await queue.receive(1, wait_seconds=0)
    assert again.attempt == (1 if backend.release_refunds_attempt else 2)


async def test_a_release_may_be_delayed(opened: Opened, queue: Queue) -> None:
    await queue.send([Message("m")])
    await queue.release(await queue.receive(1, wait_seconds=0), delay_seconds=LEASE_SECONDS + 1)
    await opened.pass_time(ENDED_SECONDS)
    assert await queue.receive(1, wait_seconds=0) == []
    await opened.pass_time(1)
    assert bodies(await queue.receive(1, wait_seconds=0)) == ["m"]


# Dead letters


async def test_r10_after_the_burial_attempts_the_queue_buries_by_itself(opened: Opened) -> None:
    options = QueueOptions(lease_seconds=1, max_attempts=1)
    queue = await opened.queues.create("requests", options)
    await queue.send([Message("poison")])
    for attempt in range(1, options.max_attempts + BURIAL_ATTEMPTS + 1):
        (delivery,) = await queue.receive(1, wait_seconds=0)
        assert delivery.attempt == attempt
        await opened.pass_time(1.1)
    await queue.send([Message("healthy")])
    assert bodies(await in_time(opened, queue.receive(1, wait_seconds=3))) == ["healthy"]
    (letter,) = await queue.dead_letters()
    assert (letter.message_id, letter.body) == (delivery.message_id, "poison")
    assert letter.attempts == options.max_attempts + BURIAL_ATTEMPTS
    assert letter.reason
    assert (await queue.depth()).total == 1


async def test_r10_buried_messages_can_be_inspected(opened: Opened, queue: Queue, other: Queue) -> None:
    for body in ("first", "second"):
        await queue.send([Message(body)])
        (delivery,) = await queue.receive(1, wait_seconds=0)
        await queue.bury([delivery], f"{body} is bad: ✗")
        await opened.pass_time(0.3)
    for _ in range(2):
        first, second = await other.dead_letters()
        assert (first.body, first.reason, first.attempts) == ("first", "first is bad: ✗", 1)
        assert first.died_at < second.died_at
        assert second.died_at == pytest.approx(delivery.sent_at, abs=1)
    assert [letter.body for letter in await other.dead_letters(limit=1)] == ["first"]
    assert await other.dead_letter_count() == 2
    assert await counted(other) == Depth()
    await opened.pass_time(ENDED_SECONDS)
    assert await other.receive(1, wait_seconds=0) == []


async def bury_three(queue: Queue) -> dict[str, str]:
    """Three dead letters; their ids by body."""
    await queue.send([Message(body) for body in "abc"])
    await queue.bury(await receive_all(queue), "why")
    return {letter.body: letter.message_id for letter in await queue.dead_letters()}


async def test_r10_redrive_gives_a_fresh_attempt_count(opened: Opened, queue: Queue, other: Queue) -> None:
    ids = await bury_three(queue)
    assert await other.redrive([ids["b"], "unknown", ids["b"]]) == 1
    (delivery,) = await queue.receive(10, wait_seconds=0)
    assert (delivery.body, delivery.attempt) == ("b", 1)
    assert await other.redrive() == 2
    assert await other.redrive() == 0
    assert bodies(await receive_all(queue)) == ["a", "c"]
    assert await other.dead_letter_count() == 0
    await opened.pass_time(ENDED_SECONDS)
    assert {delivery.attempt for delivery in await receive_all(queue)} == {2}


async def test_r10_the_lease_before_the_burial_means_nothing_after_the_redrive(opened: Opened, queue: Queue) -> None:
    await queue.send([Message("m")])
    old = await queue.receive(1, wait_seconds=0)
    await queue.bury(old, "why")
    await queue.redrive()
    await queue.delete(old)
    await opened.pass_time(LEASE_SECONDS / 2)
    new = await queue.receive(1, wait_seconds=0)
    await opened.pass_time(LEASE_SECONDS * 0.7)
    assert await queue.receive(1, wait_seconds=0) == []
    assert await queue.extend(new, LEASE_SECONDS) == []


async def test_r10_purge_deletes_for_good(queue: Queue, other: Queue) -> None:
    ids = await bury_three(queue)
    assert await other.purge_dead_letters([ids["a"], "unknown", ids["a"]]) == 1
    assert {letter.body for letter in await queue.dead_letters()} == {"b", "c"}
    assert await other.purge_dead_letters() == 2
    assert await other.purge_dead_letters() == 0
    assert await queue.redrive() == 0
    assert await queue.receive(1, wait_seconds=0) == []


async def test_naming_no_dead_letters_means_none_of_them(queue: Queue) -> None:
    await bury_three(queue)
    assert await queue.redrive([]) == 0
    assert await queue.purge_dead_letters([]) == 0
    assert await queue.dead_letter_count() == 3


# Counting


async def test_r6_depth_counts_visible_in_flight_and_delayed(
    backend: QueueBackend, opened: Opened, queue: Queue, other: Queue
) -> None:
    assert await counted(other) == Depth()
    await queue.send([Message("a"), Message("b"), Message("c"), Message("later", delay_seconds=4)])
    assert await counted(other) == Depth(visible=3, delayed=1)
    first, second = await queue.receive(2, wait_seconds=0)
    assert await counted(other) == Depth(visible=1, in_flight=2, delayed=1)
    await queue.release([first], delay_seconds=7)
    released = Depth(delayed=1) if backend.released_is_delayed else Depth(in_flight=1)
    assert await counted(other) == plus(released, Depth(visible=1, in_flight=1, delayed=1))
    await queue.delete([second])
    assert await counted(other) == plus(released, Depth(visible=1, delayed=1))
    assert await queue.receive(1, wait_seconds=0)
    await opened.pass_time(ENDED_SECONDS)
    assert await counted(other) == plus(released, Depth(visible=1, delayed=1))
    await opened.pass_time(2)
    assert await counted(other) == plus(released, Depth(visible=2))
    await opened.pass_time(3)
    assert await counted(other) == Depth(visible=3)
    await queue.bury(await queue.receive(3, wait_seconds=0), "why")
    assert await counted(other) == Depth()


def plus(a: Depth, b: Depth) -> Depth:
    return Depth(a.visible + b.visible, a.in_flight + b.in_flight, a.delayed + b.delayed)


# Many at once


async def test_one_queue_may_be_used_by_many_tasks_at_once(queue: Queue, other: Queue) -> None:
    async def work(number: int) -> list[str]:
        handle = (queue, other)[number % 2]
        await handle.send([Message(f"{number}-{turn}") for turn in range(3)])
        done: list[str] = []
        while batch := await handle.receive(2, wait_seconds=0):
            assert await handle.extend(batch, 100) == []
            await handle.delete(batch)
            done += bodies(batch)
        return done

    done = [body for bodies_ in await asyncio.gather(*(work(number) for number in range(30))) for body in bodies_]
    assert sorted(done) == sorted(f"{number}-{turn}" for number in range(30) for turn in range(3))
    assert (await queue.depth()).total == 0
