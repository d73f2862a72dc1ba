"""What a worker promises, with a recogniser that can be told to fail, hang or be wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from burstlens.buckets import Buckets, Layout
from burstlens.errors import NotAuthorized, Unavailable
from burstlens.heartbeats import Heartbeats
from burstlens.messages import ErrorCode, Failure, Heartbeat, Request, Result, WorkerState
from burstlens.queues.base import Message, QueueOptions
from burstlens.queues.memory import MemoryQueue, MemoryQueues
from support.workers import REPLIES, Bench, bench

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk() -> AsyncIterator[Bench]:
    async with bench() as made:
        yield made


async def test_a_request_ends_as_label_object_and_empty_queue(desk: Bench) -> None:
    request = await desk.send("cat")
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert (result.id, result.label, result.instance, result.model) == (request.id, "cat", "app-tier-1", "scripted")
    assert result.timings.decode_seconds == 0.01
    assert result.timings.queue_wait_seconds >= 0
    assert await desk.lane.buckets.get_result(request.id) == result
    assert await desk.lane.buckets.inputs.get(request.id) == b"cat"


async def test_a_claim_check_is_fetched_from_the_input_bucket(desk: Bench) -> None:
    key = await desk.lane.buckets.put_input("request-1", b"dog")
    await desk.send("", id="request-1", image=None, input_key=key)
    async with desk.working():
        (result,) = await desk.replies_until(1)
    assert result.label == "dog"


async def test_a_claim_check_without_object_is_an_error_result(desk: Bench) -> None:
    await desk.send("", id="request-1", image=None, input_key="request-1")
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert result.error is not None
    assert result.error.code is ErrorCode.INPUT_MISSING


async def test_r10_a_bad_image_is_answered_once_and_not_retried(desk: Bench) -> None:
    request = await desk.send("bad")
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert result.error is not None
    assert (result.error.code, result.error.message) == (ErrorCode.NOT_AN_IMAGE, "this is no picture")
    assert desk.recognizer.seen == ["bad"]
    assert await desk.lane.requests.dead_letter_count() == 0
    assert await desk.lane.buckets.get_result(request.id) == result


async def test_r10_a_request_that_always_fails_becomes_a_dead_letter_and_its_client_is_told(desk: Bench) -> None:
    request = await desk.send("defect")
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert desk.recognizer.seen == ["defect"] * 3
    assert result.error is not None
    assert result.error.code is ErrorCode.DEAD_LETTER
    (dead,) = await desk.lane.requests.dead_letters()
    assert Request.parse(dead.body).id == request.id
    assert "3 times" in dead.reason


async def test_r10_others_are_served_while_one_keeps_failing(desk: Bench) -> None:
    await desk.send("defect")
    for number in range(20):
        await desk.send(f"cat {number}")
    async with desk.working():
        results = await desk.replies_until(21)
    assert sorted(r.label for r in results if r.label) == sorted(f"cat {n}" for n in range(20))
    assert [r.attempt for r in results if r.label] == [1] * 20


async def test_what_is_no_message_is_buried_with_its_reason(desk: Bench) -> None:
    await desk.lane.requests.send([Message("{}")])
    await desk.send("cat")
    async with desk.working():
        await desk.replies_until(1)
        await desk.until_empty()
    (dead,) = await desk.lane.requests.dead_letters()
    assert (dead.body, dead.reason) == ("{}", "not a request: id: Field required")


async def test_an_unknown_version_is_answered(desk: Bench) -> None:
    wire = {"version": 2, "id": "request-1", "reply_to": "responses-test"}
    await desk.lane.requests.send([Message(json.dumps(wire))])
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert result.error is not None
    assert result.error.code is ErrorCode.UNKNOWN_VERSION
    assert await desk.lane.buckets.get_result("request-1") == result


async def test_r9_a_redelivered_request_is_answered_from_the_output_bucket(desk: Bench) -> None:
    request = await desk.send("cat")
    async with desk.working():
        (first,) = await desk.replies_until(1)
        await desk.until_empty()
    await desk.lane.requests.send([Message(request.to_json())])
    (delivery,) = await desk.lane.requests.receive(1, 1)
    await desk.lane.requests.extend([delivery], 0.01)  # as if its worker had died after writing the result
    async with desk.working(name="worker-2"):
        (again,) = await desk.replies_until(1)
        await desk.until_empty()
    assert again == first
    assert desk.recognizer.seen == ["cat"]


async def test_r9_a_request_sent_twice_is_written_once_and_answered_twice(desk: Bench) -> None:
    request = await desk.send("cat")
    await desk.lane.requests.send([Message(request.to_json())])
    async with desk.working():
        first, second = await desk.replies_until(2)
    assert first == second


async def test_r9_the_lease_is_kept_while_the_model_works() -> None:
    async with bench(lease_seconds=0.3) as desk:
        await desk.send("hold")
        async with desk.working():
            await desk.until(lambda: desk.recognizer.seen == ["hold"])
            assert await desk.lane.requests.receive(1, 1.0) == []  # three leases long
            desk.recognizer.let_go.set()
            (result,) = await desk.replies_until(1)
        assert (result.label, result.attempt) == ("hold", 1)


async def test_without_a_name_or_with_a_queue_that_is_gone_the_result_waits_in_the_bucket(desk: Bench) -> None:
    requests = [await desk.send("cat", reply_to=None), await desk.send("dog", reply_to="responses-gone")]
    async with desk.working():
        await desk.until_empty()
    kept = [await desk.lane.buckets.get_result(request.id) for request in requests]
    assert [result.label for result in kept if result] == ["cat", "dog"]


async def test_r18_a_result_that_its_response_queue_does_not_take_waits_in_the_bucket(desk: Bench) -> None:
    narrow = MemoryQueues(desk.clock, max_message_bytes=100)
    await narrow.create(REPLIES, QueueOptions())
    desk.lane = replace(desk.lane, queues=narrow)
    request = await desk.send("cat")
    async with desk.working():
        await desk.until_empty()
    kept = await desk.lane.buckets.get_result(request.id)
    assert kept is not None
    assert kept.label == "cat"


async def test_a_response_queue_that_refuses_the_worker_does_not_hold_it_up(desk: Bench) -> None:
    class Forbidden(MemoryQueues):
        async def open(self, name: str) -> MemoryQueue:
            message = f"SendMessage on {name} is denied"
            raise NotAuthorized(message)

    desk.lane = replace(desk.lane, queues=Forbidden(desk.clock))
    request = await desk.send("cat")
    async with desk.working():
        await desk.until_empty()
    kept = await desk.lane.buckets.get_result(request.id)
    assert kept is not None
    assert kept.label == "cat"


async def test_r4_a_drain_finishes_what_was_begun_and_gives_the_rest_back(desk: Bench) -> None:
    for text in ("hold", "cat", "dog"):
        await desk.send(text)
    async with desk.working() as worker:
        await desk.until(lambda: desk.recognizer.seen == ["hold"])
        worker.drain()
        worker.drain()
        desk.recognizer.let_go.set()
        (result,) = await desk.replies_until(1)
    assert result.label == "hold"
    assert desk.recognizer.seen == ["hold"]
    given_back = await desk.lane.requests.receive(10, 0)
    assert sorted(Request.parse(d.body).filename for d in given_back) == ["cat.jpg", "dog.jpg"]
    assert [d.attempt for d in given_back] == [1, 1]


async def test_a_drain_that_takes_too_long_leaves_the_request_to_its_lease() -> None:
    async with bench(lease_seconds=0.2) as desk:
        await desk.send("hold")
        async with desk.working(drain_seconds=0.05) as worker:
            await desk.until(lambda: desk.recognizer.seen == ["hold"])
            worker.drain()
            (delivery,) = await desk.lane.requests.receive(1, 10)
            assert delivery.attempt == 2


async def test_one_request_waits_ready_while_the_model_is_at_another(desk: Bench) -> None:
    for text in ("hold", "cat", "dog"):
        await desk.send(text)
    async with desk.working(prefetch=1):
        await desk.until(lambda: desk.recognizer.seen == ["hold"])
        async with asyncio.timeout(20):
            while (await desk.lane.requests.depth()).in_flight != 2:
                await asyncio.sleep(0.005)
        assert (await desk.lane.requests.depth()).visible == 1


async def test_what_may_kill_workers_is_held_alone(desk: Bench) -> None:
    """An innocent request that shares a worker with a killer must not use up its attempts."""
    await desk.send("hold the killer")
    (delivery,) = await desk.lane.requests.receive(1, 1)
    await desk.lane.requests.extend([delivery], 0.01)  # its first worker died
    await asyncio.sleep(0.02)
    async with desk.working(prefetch=3):
        await desk.until(lambda: desk.recognizer.seen == ["hold the killer"])
        await desk.send("innocent")
        await asyncio.sleep(0.1)
        assert (await desk.lane.requests.depth()).visible == 1
        desk.recognizer.let_go.set()
        await desk.replies_until(2)


class Troubled(Buckets):
    """Output and fleet bucket fail a given number of times, then recover."""

    failures = 0

    async def put_result(self, request: Request, image: bytes | None, result: Result) -> Result:
        if self.failures:
            self.failures -= 1
            message = "the bucket is away"
            raise Unavailable(message)
        return await super().put_result(request, image, result)


async def test_an_outage_of_the_bucket_costs_no_attempt(desk: Bench) -> None:
    healthy = desk.lane.buckets
    troubled = Troubled(healthy.inputs, healthy.outputs, healthy.fleet, Layout.ID)
    troubled.failures = 6  # more often than a request may be tried
    desk.lane = replace(desk.lane, buckets=troubled)
    await desk.send("cat")
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert (result.label, result.attempt) == ("cat", 1)
    assert desk.recognizer.seen == ["cat"]


async def test_the_filename_layout_is_written_by_the_worker() -> None:
    async with bench(Layout.FILENAME) as desk:
        await desk.send("bathtub", filename="test_0.JPEG")
        async with desk.working():
            await desk.replies_until(1)
        assert await desk.lane.buckets.outputs.get("test_0") == b"(test_0, bathtub)"
        assert await desk.lane.buckets.inputs.get("test_0.JPEG") == b"bathtub"


async def states(desk: Bench) -> Sequence[WorkerState]:
    return [beat.state for beat in await desk.heartbeats.all()]


async def test_heartbeats_tell_what_the_worker_does(desk: Bench) -> None:
    async def until(state: WorkerState) -> None:
        async with asyncio.timeout(20):
            while await states(desk) != [state]:
                await asyncio.sleep(0.01)

    async with desk.working():
        await until(WorkerState.IDLE)
        await desk.send("hold")
        await until(WorkerState.BUSY)
        desk.recognizer.let_go.set()
        await desk.replies_until(1)
        await until(WorkerState.IDLE)
        (beat,) = await desk.heartbeats.all()
        assert (beat.done, beat.failed, beat.held) == (1, 0, 0)
        assert beat.service_seconds == pytest.approx(0.03)
    assert await states(desk) == [WorkerState.STOPPED]


async def test_r3_an_idle_worker_without_autoscaler_ends_by_itself(desk: Bench) -> None:
    async with asyncio.timeout(20):
        await desk.worker(managed=True, orphan_seconds=0.1).run()


async def test_r3_a_worker_whose_autoscaler_lives_goes_on(desk: Bench) -> None:
    async def beat() -> None:
        while True:
            await desk.heartbeats.send_autoscaler()
            await asyncio.sleep(0.02)

    beating = asyncio.create_task(beat())
    async with desk.working(managed=True, orphan_seconds=0.3):
        await asyncio.sleep(0.8)
        await desk.send("cat")
        (result,) = await desk.replies_until(1)
        assert result.label == "cat"
    beating.cancel()


async def test_a_worker_started_by_hand_needs_no_autoscaler(desk: Bench) -> None:
    async with desk.working(managed=False, orphan_seconds=0.05):
        await asyncio.sleep(0.3)
        await desk.send("cat")
        await desk.replies_until(1)


async def test_a_worker_ends_when_its_lifetime_is_over(desk: Bench) -> None:
    async with asyncio.timeout(20):
        await desk.worker(lifetime_seconds=0.1).run()


async def test_an_image_that_takes_too_long_is_an_error_result_and_ends_the_process(desk: Bench) -> None:
    request = await desk.send("spin")
    await desk.send("cat")
    worker = desk.worker(decode_seconds=0.2)
    async with asyncio.timeout(20):
        await worker.run()
    desk.recognizer.let_go.set()
    assert worker.broken
    (result,) = await desk.replies_until(1)
    assert result.id == request.id
    assert result.error is not None
    assert result.error.code is ErrorCode.DECODE_TIMEOUT
    (given_back,) = await desk.lane.requests.receive(10, 0)
    assert (Request.parse(given_back.body).filename, given_back.attempt) == ("cat.jpg", 1)


async def test_a_request_that_only_waits_has_no_time_limit(desk: Bench) -> None:
    """The bound is on CPU time: a stopped process or a busy machine makes no wrong answer."""
    await desk.send("hold")
    async with desk.working(decode_seconds=0.05):
        await asyncio.sleep(1.2)
        desk.recognizer.let_go.set()
        (result,) = await desk.replies_until(1)
    assert result.label == "hold"


async def die_of_it(desk: Bench, times: int) -> None:
    """As if so many workers had received the request and died."""
    for _ in range(times):
        (delivery,) = await desk.lane.requests.receive(1, 1)
        await desk.lane.requests.extend([delivery], 0.001)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("claim_check", [False, True], ids=["inline", "claim check"])
@pytest.mark.parametrize("deaths_after", [0, 1], ids=["at once", "after another death"])
async def test_r10_a_redriven_dead_letter_gets_its_label(layout: Layout, claim_check: bool, deaths_after: int) -> None:
    async with bench(layout) as desk:
        if claim_check:
            key = await desk.lane.buckets.put_input("request-1", b"spared later")
            await desk.send("", id="request-1", image=None, input_key=key)
        else:
            await desk.send("spared later", id="request-1")
        await die_of_it(desk, 3)
        async with desk.working():
            (given_up,) = await desk.replies_until(1)
            await desk.until_empty()
        assert given_up.error is not None
        assert given_up.error.code is ErrorCode.DEAD_LETTER
        assert await desk.lane.requests.redrive() == 1
        await die_of_it(desk, deaths_after)
        async with desk.working(name="worker-2"):
            (labelled,) = await desk.replies_until(1)
            await desk.until_empty()
        assert labelled.label == "spared later"
        assert await desk.lane.buckets.get_result("request-1") == labelled


async def test_r10_a_worker_that_dies_before_it_buries_leaves_that_to_the_next(desk: Bench) -> None:
    request = await desk.send("spared never")
    await die_of_it(desk, 3)
    failure = Failure(code=ErrorCode.DEAD_LETTER, message="given up")
    told = Result(id=request.id, filename="x", error=failure, completed_at=request.submitted_at)
    await desk.lane.buckets.put_result(request, None, told)  # and there it died
    async with desk.working():
        assert await desk.replies_until(1) == [told]
        await desk.until_empty()
    assert await desk.lane.requests.dead_letter_count() == 1


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_result_that_a_power_cut_left_empty_is_made_anew(desk: Bench, attempt: int) -> None:
    request = await desk.send("cat")
    await desk.lane.buckets.outputs.put(f"{request.id}.json", b"")
    await die_of_it(desk, attempt - 1)
    async with desk.working():
        (result,) = await desk.replies_until(1)
        await desk.until_empty()
    assert result.label == "cat"
    assert await desk.lane.buckets.get_result(request.id) == result


@pytest.mark.parametrize("attempt", [1, 2])
async def test_r4_a_drain_ends_in_time_while_the_bucket_is_away(desk: Bench, attempt: int) -> None:
    healthy = desk.lane.buckets
    troubled = Troubled(healthy.inputs, healthy.outputs, healthy.fleet, Layout.ID)
    troubled.failures = 1_000_000
    desk.lane = replace(desk.lane, buckets=troubled)
    await desk.send("cat")
    await die_of_it(desk, attempt - 1)
    async with desk.working(drain_seconds=0.2):
        await desk.until(lambda: troubled.failures < 1_000_000)
    assert (await desk.lane.requests.depth()).total == 1


async def test_a_worker_whose_heartbeat_dies_ends_to_be_replaced(desk: Bench) -> None:
    class Defect(Heartbeats):
        async def send(self, heartbeat: Heartbeat) -> None:
            message = f"a defect: {heartbeat.worker}"
            raise RuntimeError(message)

    desk.heartbeats = Defect(desk.lane.buckets.fleet, desk.clock)
    worker = desk.worker()
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="a defect"):
            await worker.run()
    assert worker.broken
