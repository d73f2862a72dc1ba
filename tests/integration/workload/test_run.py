"""Workloads against a real server: wire formats, failures, retries, concurrency, timing, stopping."""

import asyncio
import json
import random

import pytest
from aiohttp import web

from burstlens.workload.arrivals import closed, poisson
from burstlens.workload.formats import Format
from burstlens.workload.images import Image
from burstlens.workload.outcomes import Outcome
from burstlens.workload.run import Plan, run
from support.load_peer import Peer, Received, Servers

pytestmark = pytest.mark.anyio

IMAGES = (Image("test_00.JPEG", b"\xff\xd8 one \r\n--", "bathtub"), Image('te"st_01.png', b"", "bathtub"))


def v1_result(label: str = "bathtub") -> dict[str, object]:
    return {"label": label, "score": 0.75, "instance": "app-tier-1", "timings": {"queue_wait_seconds": 2.0}}


def v1_routes(peer: Peer) -> web.RouteDef:
    return web.post("/v1/recognitions", peer.handle)


async def outcome_of(plan: Plan) -> Outcome:
    (outcome,) = (await run(plan)).outcomes
    return outcome


async def kind_of(plan: Plan) -> str:
    outcome = await outcome_of(plan)
    assert outcome.label is None
    assert outcome.problem is not None
    return outcome.problem.kind


@pytest.mark.parametrize(
    ("form", "field", "body"),
    [(Format.MYFILE, "myfile", "bathtub\n"), (Format.INPUT_FILE, "inputFile", "test_00:bathtub")],
)
async def test_course_formats_reach_the_server_whole(servers: Servers, form: Format, field: str, body: str) -> None:
    peer = await servers.start(Peer(answer=lambda _, __: web.Response(text=body)))
    done = await run(Plan(peer.url, IMAGES, closed(3), concurrency=1, form=form))
    assert [(outcome.image, outcome.label, outcome.status) for outcome in done.outcomes] == [
        ("test_00.JPEG", "bathtub", 200),
        ('te"st_01.png', "bathtub", 200),
        ("test_00.JPEG", "bathtub", 200),
    ]
    first, second, third = peer.received
    assert (first.field, first.filename, first.content_type, first.data) == (
        field,
        "test_00.JPEG",
        "image/jpeg",
        IMAGES[0].data,
    )
    assert (second.content_type, second.data, third.data) == ("image/png", b"", IMAGES[0].data)


async def test_v1_tells_score_instance_and_timings(servers: Servers) -> None:
    peer = Peer(answer=lambda _, __: web.json_response(v1_result()))
    await servers.start(peer, v1_routes(peer))
    outcome = await outcome_of(Plan(peer.url, IMAGES, closed(1), form=Format.V1))
    assert (outcome.label, outcome.score, outcome.instance) == ("bathtub", 0.75, "app-tier-1")
    assert outcome.timings is not None
    assert outcome.timings.queue_wait_seconds == 2.0
    assert (peer.received[0].filename, peer.received[0].content_type) == ("test_00.JPEG", "image/jpeg")
    assert peer.received[0].data == IMAGES[0].data


async def test_v1_waits_where_a_202_sends_it(servers: Servers) -> None:
    peer = Peer(
        answer=lambda _, __: web.Response(status=202, headers={"Location": "/v1/recognitions/abc", "Retry-After": "0"})
    )
    polls = 0

    async def poll(request: web.Request) -> web.Response:
        nonlocal polls
        polls += 1
        if polls < 3:
            return web.Response(status=202, headers={"Retry-After": "0"})
        return web.json_response(v1_result("hen"))

    await servers.start(peer, v1_routes(peer), web.get("/v1/recognitions/abc", poll))
    outcome = await outcome_of(Plan(peer.url, IMAGES, closed(1), form=Format.V1))
    assert (outcome.label, outcome.status, polls, len(peer.received)) == ("hen", 200, 3, 1)


async def test_auto_speaks_v1_to_a_server_that_has_it(servers: Servers) -> None:
    peer = Peer(answer=lambda _, __: web.json_response(v1_result()))
    await servers.start(peer, v1_routes(peer), web.post("/", peer.handle))
    done = await run(Plan(peer.url, IMAGES, closed(1)))
    assert (done.form, done.outcomes[0].instance) == (Format.V1, "app-tier-1")


async def test_auto_speaks_as_the_course_client_to_any_other_server(servers: Servers) -> None:
    peer = await servers.start(Peer())
    done = await run(Plan(peer.url, IMAGES, closed(1)))
    assert (done.form, done.outcomes[0].label, peer.received[0].field) == (Format.MYFILE, "bathtub", "myfile")


async def test_an_image_larger_than_a_mebibyte_arrives_whole(servers: Servers) -> None:
    peer = await servers.start(Peer())
    image = Image("large.png", random.Random(0).randbytes(3 << 20))
    done = await run(Plan(peer.url, [image], closed(2), form=Format.MYFILE))
    assert [outcome.label for outcome in done.outcomes] == ["bathtub", "bathtub"]
    assert [received.data == image.data for received in peer.received] == [True, True]


@pytest.mark.parametrize(
    ("response", "kind", "message"),
    [
        (lambda: web.Response(status=500, text="broken"), "http-500", "broken"),
        (lambda: web.json_response({"detail": "The queue is full."}, status=503), "http-503", "The queue is full."),
        (lambda: web.Response(status=302, headers={"Location": "/elsewhere"}), "http-302", "302: Found"),
        (lambda: web.Response(body=b"\x89PNG\xff"), "unreadable-answer", "expected text, got b'\\x89PNG\\xff'"),
    ],
)
async def test_a_wrong_answer_is_an_error_with_its_reason(
    servers: Servers, response: "type[web.Response]", kind: str, message: str
) -> None:
    peer = await servers.start(Peer(answer=lambda _, __: response()))
    outcome = await outcome_of(Plan(peer.url, IMAGES, closed(1), form=Format.MYFILE))
    assert outcome.problem is not None
    assert (outcome.label, outcome.problem.kind) == (None, kind)
    assert outcome.problem.message in (message, "")
    assert outcome.latency_seconds > 0


async def test_a_server_that_is_not_there_is_an_error_for_each_request() -> None:
    # port 9 is `discard`, which nobody runs; a refused connection is what a stopped server gives
    assert await kind_of(Plan("http://127.0.0.1:9/", IMAGES, closed(1))) == "no-connection"


async def test_a_connection_that_breaks_is_an_error(servers: Servers) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    peer = await servers.start(Peer(), web.post("/", hang_up))
    assert await kind_of(Plan(peer.url, IMAGES, closed(1), form=Format.MYFILE)) == "disconnected"


async def test_a_time_out_ends_a_request_and_spares_the_others(servers: Servers) -> None:
    async def hang_first(request: web.Request) -> web.Response:
        await peer.handle(request)
        if len(peer.received) == 1:
            await asyncio.sleep(30)
        return web.Response(text="bathtub")

    peer = Peer()
    await servers.start(peer, web.post("/", hang_first))
    done = await run(Plan(peer.url, IMAGES, closed(3), concurrency=1, form=Format.MYFILE, timeout_seconds=0.5))
    kinds = [outcome.problem.kind if outcome.problem else outcome.label for outcome in done.outcomes]
    assert kinds == ["timeout", "bathtub", "bathtub"]


async def test_a_busy_server_is_an_error_unless_retries_are_allowed(servers: Servers) -> None:
    def busy_twice(_: Received, count: int) -> web.Response:
        if count % 3:
            return web.Response(status=(503, 429)[count % 2], headers={"Retry-After": "0"}, text="busy")
        return web.Response(text="bathtub")

    peer = await servers.start(Peer(answer=busy_twice))
    assert (await outcome_of(Plan(peer.url, IMAGES, closed(1), form=Format.MYFILE, retries=2))).label == "bathtub"
    assert len(peer.received) == 3
    assert await kind_of(Plan(peer.url, IMAGES, closed(1), form=Format.MYFILE, retries=1)) == "http-429"
    assert len(peer.received) == 5


async def test_retry_after_is_waited_for_and_counts_as_latency(servers: Servers) -> None:
    def busy_once(_: Received, count: int) -> web.Response:
        if count == 1:
            return web.Response(status=503, headers={"Retry-After": "1"})
        return web.Response(text="bathtub")

    peer = await servers.start(Peer(answer=busy_once))
    outcome = await outcome_of(Plan(peer.url, IMAGES, closed(1), form=Format.MYFILE, retries=5))
    first, second = peer.received
    assert second.at - first.at >= 1.0
    assert outcome.latency_seconds >= 1.0


async def test_no_more_requests_are_under_way_than_the_concurrency_and_connections_are_kept(servers: Servers) -> None:
    peer = await servers.start(Peer(hold_seconds=0.02))
    done = await run(Plan(peer.url, IMAGES, closed(40), concurrency=7, form=Format.MYFILE))
    assert len(done.outcomes) == 40
    assert peer.most_under_way == 7
    assert len(peer.connections) == 7


async def test_all_at_once_is_really_at_once(servers: Servers) -> None:
    peer = Peer(gate=asyncio.Event())
    await servers.start(peer)
    running = asyncio.ensure_future(run(Plan(peer.url, IMAGES, closed(100), concurrency=100, form=Format.MYFILE)))
    await peer.until_under_way(100)
    assert peer.gate is not None
    peer.gate.set()
    assert len((await running).outcomes) == 100


async def test_an_open_loop_starts_requests_while_no_answer_comes(servers: Servers) -> None:
    """All arrive although the first is still unanswered: slow answers do not hold later requests back."""
    peer = Peer(gate=asyncio.Event())
    await servers.start(peer)
    starts = poisson(30, 100.0, random.Random(3))
    running = asyncio.ensure_future(run(Plan(peer.url, IMAGES, starts, form=Format.MYFILE)))
    await peer.until_under_way(30)
    assert peer.gate is not None
    peer.gate.set()
    done = await running
    by_index = sorted(done.outcomes, key=lambda outcome: outcome.index)
    assert [outcome.scheduled_seconds for outcome in by_index] == list(starts)
    assert all(outcome.started_seconds >= outcome.scheduled_seconds for outcome in by_index)


async def test_stopping_returns_what_came_so_far(servers: Servers) -> None:
    stop = asyncio.Event()
    peer = Peer()
    await servers.start(peer)
    seen: list[Outcome] = []

    def stop_after_five(outcome: Outcome) -> None:
        seen.append(outcome)
        if len(seen) == 5:
            peer.hold_seconds = 60.0
            stop.set()

    plan = Plan(peer.url, IMAGES, closed(1000), concurrency=1, form=Format.MYFILE)
    done = await run(plan, on_outcome=stop_after_five, stop=stop)
    assert done.planned == 1000
    assert list(done.outcomes) == seen
    assert len(seen) < 10


async def test_cancelling_leaves_no_request_behind(servers: Servers) -> None:
    peer = Peer(gate=asyncio.Event())
    await servers.start(peer)
    running = asyncio.ensure_future(run(Plan(peer.url, IMAGES, closed(5), form=Format.MYFILE)))
    await peer.until_under_way(5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await peer.until_under_way(0)


async def test_an_error_of_the_callback_is_not_swallowed(servers: Servers) -> None:
    peer = await servers.start(Peer())

    def fail(outcome: Outcome) -> None:
        raise LookupError(outcome.image)

    with pytest.raises(ExceptionGroup) as caught:
        await run(Plan(peer.url, IMAGES, closed(1), form=Format.MYFILE), on_outcome=fail)
    assert caught.group_contains(LookupError)


async def test_an_error_result_of_v1_is_counted_by_its_code(servers: Servers) -> None:
    error = json.dumps({"error": {"code": "not-an-image", "message": "damaged"}})
    peer = Peer(answer=lambda _, __: web.Response(text=error, content_type="application/json"))
    await servers.start(peer, v1_routes(peer))
    assert await kind_of(Plan(peer.url, IMAGES, closed(1), form=Format.V1)) == "not-an-image"
