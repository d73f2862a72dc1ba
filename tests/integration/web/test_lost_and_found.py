"""Restarts, clients that vanish, replies that go astray: no result is lost, and nothing is held for ever."""

import asyncio
from collections.abc import Sequence

import pytest

from burstlens.clock import SystemClock
from burstlens.errors import Misconfigured
from burstlens.messages import Request, Result
from burstlens.queues.base import Delivery, Message, QueueOptions
from burstlens.queues.memory import MemoryQueue
from burstlens.web.listener import put_away
from support.web import Worker, form, memory_lane, picture, send, serving, until, working

pytestmark = pytest.mark.anyio

V1 = "/v1/recognitions"
JPEG = {"Content-Type": "image/jpeg"}


async def test_replica_that_stops_tells_who_waits_where_the_result_will_be() -> None:
    lane = await memory_lane()
    async with serving(lane, shutdown_seconds=0.1) as replica:
        recognition = asyncio.create_task(send(replica, "POST", V1, picture(), JPEG))
        course = asyncio.create_task(send(replica, "POST", "/", form(("myfile", "a.jpg", picture()))))
        await replica.waiting(2)
        await replica.server.stop()
        accepted, refused = await recognition, await course
    assert accepted.status == 202
    assert (refused.status, refused.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    await Worker(lane).work()
    places = [accepted.headers["location"], refused.text.split()[-1].rstrip(".")]
    async with serving(lane) as successor:
        for place in places:
            assert (await send(successor, "GET", place)).status == 200


async def test_replica_that_stops_hands_out_what_comes_in_time() -> None:
    lane = await memory_lane()
    async with serving(lane, shutdown_seconds=5) as replica:
        asked = asyncio.create_task(send(replica, "POST", "/", form(("myfile", "a.jpg", picture()))))
        await replica.waiting(1)
        stopping = asyncio.create_task(replica.server.stop())
        await asyncio.sleep(0.3)
        await Worker(lane, recognise=lambda _: "bathtub").work()
        assert (await asked).body == b"bathtub"
        await stopping


async def test_reply_that_came_during_a_restart_is_taken_by_the_successor_and_the_result_is_there() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        accepted = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
    await Worker(lane).work()
    responses = await lane.queues.open("responses-web")
    assert (await responses.depth()).total == 1
    async with serving(lane) as successor:

        async def drained() -> bool:
            return (await responses.depth()).total == 0

        await until(drained)
        assert (await send(successor, "GET", accepted.headers["location"])).status == 200


async def test_result_whose_reply_is_lost_is_found_in_the_output_bucket() -> None:
    lane = await memory_lane()
    worker = Worker(lane, recognise=lambda _: "bathtub")
    async with serving(lane, recheck_seconds=0.1) as replica:
        asked = asyncio.create_task(send(replica, "POST", "/", form(("myfile", "a.jpg", picture()))))
        await replica.waiting(1)
        (delivery,) = await lane.requests.receive(1, 1)
        await worker.finish(Request.parse(delivery.body))
        assert (await asked).body == b"bathtub"


async def test_stream_on_another_replica_gets_the_result() -> None:
    lane = await memory_lane()
    async with serving(lane, replica="a") as a, serving(lane, replica="b", recheck_seconds=0.1) as b:
        accepted = await send(a, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
        stream = asyncio.create_task(send(b, "GET", accepted.headers["location"] + "/events"))
        await b.waiting(1)
        await Worker(lane).work()
        assert "event: result" in (await stream).text


async def test_client_that_vanishes_is_forgotten_and_its_result_kept() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane) as replica:
        asked = asyncio.create_task(send(replica, "POST", V1, picture(), JPEG))
        await replica.waiting(1)
        asked.cancel()
        await asyncio.wait([asked])
        await replica.waiting(0)
        await worker.work()
        (request,) = worker.seen
        assert (await send(replica, "GET", f"{V1}/{request.id}")).status == 200
        assert "burstlens_web_clients_gone_total 1.0" in (await send(replica, "GET", "/metrics")).text


async def test_client_that_vanishes_in_the_middle_of_its_upload_leaves_nothing() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        _, writer = await asyncio.open_connection(*replica.server.address)
        head = f"POST {V1} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n"
        writer.write(head.encode() + b"x")
        await writer.drain()
        writer.close()

        async def gone() -> bool:
            return "clients_gone_total 1.0" in (await send(replica, "GET", "/metrics")).text

        await until(gone)
        assert "burstlens_web_held_bytes 0.0" in (await send(replica, "GET", "/metrics")).text
        assert (await lane.requests.depth()).total == 0


async def test_malformed_reply_is_buried_and_the_next_one_still_handed_over() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        asked = asyncio.create_task(send(replica, "POST", V1, picture(), JPEG))
        await replica.waiting(1)
        responses = await lane.queues.open("responses-web")
        await responses.send([Message("no result"), Message('{"version": 9}')])
        await Worker(lane).work()
        assert (await asked).status == 200
        assert await responses.dead_letter_count() == 2
        assert 'replies_total{outcome="malformed"} 2.0' in (await send(replica, "GET", "/metrics")).text


async def test_malformed_reply_is_dropped_where_dead_letters_have_no_place() -> None:
    class Homeless(MemoryQueue):
        async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
            del deliveries, reason
            message = "this queue has no dead-letter queue"
            raise Misconfigured(message)

    queue = Homeless("responses-web", QueueOptions(), SystemClock())
    await queue.send([Message("no result")])
    (delivery,) = await queue.receive(1, 0)
    await put_away(queue, [delivery])
    assert (await queue.depth()).total == 0


async def test_r9_duplicate_reply_is_harmless() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane) as replica:
        asked = asyncio.create_task(send(replica, "POST", V1, picture(), JPEG))
        await replica.waiting(1)
        await worker.work()
        result = Result.parse((await asked).body)
        await worker.reply(worker.seen[0], result)
        async with working(worker):
            assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200


async def test_removed_response_queue_is_made_again() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane)):
        assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200
        await lane.queues.remove("responses-web")

        async def ready() -> bool:
            names = await lane.queues.names()
            return "responses-web" in names and (await send(replica, "GET", "/readyz")).status == 200

        await until(ready)
        assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200
