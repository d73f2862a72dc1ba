"""What is answered 503, and that nothing else is."""

import asyncio
import json

import pytest

from burstlens.buckets import Bucket, Buckets, open_store
from burstlens.clock import SystemClock
from burstlens.errors import BurstlensError, NotAuthorized, Throttled, Unavailable
from burstlens.lane import REQUESTS, Lane
from burstlens.queues.base import Message, QueueOptions
from burstlens.queues.memory import MemoryQueues
from support.web import Reply, TroubledQueue, Worker, form, memory_lane, picture, send, serving, working

pytestmark = pytest.mark.anyio

V1 = "/v1/recognitions"
JPEG = {"Content-Type": "image/jpeg"}


def kind_of(reply: Reply) -> str:
    return str(json.loads(reply.body)["type"])


async def test_backlog_beyond_its_bound_is_503_and_over_when_the_queue_is() -> None:
    lane = await memory_lane()
    await lane.requests.send([Message("{}")] * 5)
    async with serving(lane, max_backlog=5, retry_after_seconds=7) as replica:
        reply = await send(replica, "POST", V1, picture(), JPEG)
        assert (reply.status, kind_of(reply), reply.headers["retry-after"]) == (503, "/problems/busy", "7")
        text = await send(replica, "POST", "/", form(("myfile", "a.jpg", picture())))
        assert (text.status, text.headers["retry-after"]) == (503, "7")
        assert (await lane.requests.depth()).total == 5
        await lane.requests.delete(await lane.requests.receive(10, 0))
        await asyncio.sleep(1.1)
        async with working(Worker(lane)):
            replies = [await send(replica, "POST", V1, picture(), JPEG) for _ in range(2)]
        assert replies[-1].status == 200


async def test_burst_within_one_second_does_not_pass_the_bound() -> None:
    lane = await memory_lane()
    headers = JPEG | {"Prefer": "respond-async"}
    async with serving(lane, max_backlog=5) as replica:
        statuses = [(await send(replica, "POST", V1, picture(), headers)).status for _ in range(8)]
    assert statuses == [202] * 5 + [503] * 3


async def test_depth_is_asked_for_once_a_second_at_most_and_never_without_traffic() -> None:
    queue = TroubledQueue()
    lane = await memory_lane(requests=queue)
    async with serving(lane) as replica:
        await asyncio.sleep(0.2)
        assert queue.asked == 0
        async with working(Worker(lane)):
            for _ in range(30):
                assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200
        assert queue.asked <= 2


async def test_r7_unknown_depth_is_no_reason_to_refuse_what_the_queue_takes() -> None:
    queue = TroubledQueue()
    lane = await memory_lane(requests=queue)
    async with serving(lane) as replica, working(Worker(lane)):
        queue.depth_trouble = Unavailable("no count today")
        assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200


async def test_clients_that_wait_here_are_bounded_too() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane, max_backlog=3, replica="crowded") as replica:
        asked = [asyncio.create_task(send(replica, "POST", V1, picture(), JPEG)) for _ in range(3)]
        await replica.waiting(3)
        await lane.requests.receive(10, 0)
        assert (await send(replica, "POST", V1, picture(), JPEG)).status == 503
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
        await replica.waiting(0)
    assert worker.seen == []


async def test_uploads_that_together_hold_too_much_memory_are_503() -> None:
    lane = await memory_lane()
    async with serving(lane, max_held_bytes=len(picture()) + 10) as replica:
        asked = asyncio.create_task(send(replica, "POST", V1, picture(), JPEG))
        await replica.waiting(1)
        reply = await send(replica, "POST", V1, picture(), JPEG)
        assert (reply.status, kind_of(reply)) == (503, "/problems/busy")
        await Worker(lane).work()
        assert (await asked).status == 200


@pytest.mark.parametrize(
    ("trouble", "retry_after"),
    [(Unavailable("no answer"), "5"), (Throttled("slow down", 2.4), "3"), (NotAuthorized("secret reason"), "5")],
)
async def test_queue_in_trouble_is_503_without_its_reason(trouble: BurstlensError, retry_after: str) -> None:
    queue = TroubledQueue()
    lane = await memory_lane(requests=queue)
    queue.trouble = trouble
    async with serving(lane) as replica:
        reply = await send(replica, "POST", V1, picture(), JPEG)
        assert (reply.status, kind_of(reply), reply.headers["retry-after"]) == (
            503,
            "/problems/unavailable",
            retry_after,
        )
        assert "secret" not in reply.text
        text = await send(replica, "POST", "/", form(("myfile", "a.jpg", picture())))
        assert (text.status, text.text) == (503, "The queue or a bucket does not answer.")
        ready = await send(replica, "GET", "/readyz")
        assert (ready.status, kind_of(ready)) == (503, "/problems/unavailable")
        assert "the request queue" in ready.text
        assert (await send(replica, "GET", "/healthz")).status == 200
        queue.trouble = None
        assert (await send(replica, "GET", "/readyz")).status == 200
        async with working(Worker(lane)):
            assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200


async def test_bucket_in_trouble_is_503(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("buckets")
    queues = MemoryQueues(SystemClock())
    names = ("inputs", "outputs", "fleet")
    inputs, outputs, fleet = (Bucket(open_store((folder / name).as_uri())) for name in names)
    lane = Lane(queues, await queues.create(REQUESTS, QueueOptions()), Buckets(inputs, outputs, fleet))
    async with serving(lane) as replica:
        assert (await send(replica, "GET", "/readyz")).status == 200
        for name in ("inputs", "outputs"):
            (folder / name).rmdir()
            (folder / name).write_text("a file where the folder was")
        reply = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
        assert (reply.status, kind_of(reply)) == (503, "/problems/unavailable")
        assert (await lane.requests.depth()).total == 0
        assert (await send(replica, "GET", f"{V1}/{'0' * 32}")).status == 503
        ready = await send(replica, "GET", "/readyz")
        assert ready.status == 503
        assert "the input bucket" in ready.text
        assert "the output bucket" in ready.text
