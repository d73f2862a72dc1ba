"""Repeating a request with its `Idempotency-Key`: on one replica, on another, after a death."""

import asyncio
import json

import pytest

from burstlens.buckets import Layout
from burstlens.errors import Unavailable
from burstlens.messages import Result
from burstlens.web.submission import id_of_key
from support.web import Replica, Reply, TroubledQueue, Worker, memory_lane, picture, send, serving, until, working

pytestmark = pytest.mark.anyio

KEY = "order-4711"
HEADERS = {"Content-Type": "image/jpeg", "Idempotency-Key": KEY}


async def post(replica: Replica, image: bytes, **headers: str) -> Reply:
    return await send(replica, "POST", "/v1/recognitions", image, HEADERS | headers)


@pytest.mark.parametrize("layout", list(Layout))
async def test_repeat_gets_the_same_result_and_is_recognised_once(layout: Layout) -> None:
    lane = await memory_lane(layout=layout)
    worker = Worker(lane)
    async with serving(lane) as replica, working(worker):
        first = await post(replica, picture())
        second = await post(replica, picture())
    assert (first.status, second.status) == (200, 200)
    assert first.body == second.body
    assert Result.parse(first.body).id == id_of_key(KEY)
    assert len(worker.seen) == 1


async def test_repeats_at_the_same_time_share_one_request() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane) as replica:
        asked = [asyncio.create_task(post(replica, picture())) for _ in range(20)]
        await replica.waiting(20)
        asynchronous = await post(replica, picture(), Prefer="respond-async")
        async with working(worker):
            replies = await asyncio.gather(*asked)
    assert asynchronous.status == 202
    assert {reply.body for reply in replies} == {replies[0].body}
    assert len(worker.seen) == 1


async def test_repeat_on_another_replica_sends_the_key_only_and_both_get_the_one_result() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane, replica="a") as a, serving(lane, replica="b") as b:
        first = asyncio.create_task(post(a, picture()))
        await a.waiting(1)
        await until(lambda: lane.buckets.has_input(id_of_key(KEY)))
        second = asyncio.create_task(post(b, picture()))
        await b.waiting(1)
        async with working(worker):
            replies = [await first, await second]
    assert replies[0].body == replies[1].body
    assert all(request.image is None for request in worker.seen)


async def test_repeat_after_dying_between_keeping_and_sending_is_sent_again() -> None:
    lane = await memory_lane()
    await lane.buckets.put_input(id_of_key(KEY), picture())
    async with serving(lane) as replica, working(Worker(lane)):
        reply = await post(replica, picture())
    assert reply.status == 200


async def test_repeat_after_a_restart_gets_the_result_without_sending() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane) as replica, working(worker):
        first = await post(replica, picture())
    async with serving(lane) as replica:
        again = await post(replica, picture())
    assert again.body == first.body
    assert len(worker.seen) == 1
    assert (await lane.requests.depth()).total == 0


async def test_failed_send_is_not_remembered_as_sent() -> None:
    queue = TroubledQueue()
    lane = await memory_lane(requests=queue)
    async with serving(lane) as replica:
        queue.trouble = Unavailable("down")
        assert (await post(replica, picture())).status == 503
        queue.trouble = None
        async with working(Worker(lane)):
            assert (await post(replica, picture())).status == 200


async def test_key_used_for_another_image_is_refused() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane)):
        await post(replica, picture(1))
        reply = await post(replica, picture(2))
    problem = json.loads(reply.body)
    assert (reply.status, problem["type"]) == (422, "/problems/idempotency-key-reused")
    assert problem["id"] == id_of_key(KEY)


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\there", "schlüssel"])
async def test_unusable_key_is_refused(key: str) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        reply = await post(replica, picture(), **{"Idempotency-Key": key})
    assert (reply.status, json.loads(reply.body)["type"]) == (400, "/problems/bad-idempotency-key")
