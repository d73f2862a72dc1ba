"""The API of its own: sent, waited for, fetched, streamed."""

import asyncio
import json
from typing import Any

import pytest

from burstlens.buckets import Layout
from burstlens.messages import ErrorCode, Result
from support.web import Worker, form, memory_lane, picture, send, serving, working

pytestmark = pytest.mark.anyio

V1 = "/v1/recognitions"
JPEG = {"Content-Type": "image/jpeg"}
UNKNOWN_ID = "0" * 32


@pytest.mark.parametrize("field", ["image", "file", "myfile", "inputFile"])
async def test_form_is_answered_with_the_result(field: str) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane, recognise=lambda _: "bathtub")):
        reply = await send(replica, "POST", V1, form((field, "test_0.JPEG", picture())))
    result = Result.parse(reply.body)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert (result.label, result.filename, len(result.top)) == ("bathtub", "test_0.JPEG", 5)


@pytest.mark.parametrize(
    ("query", "headers", "filename"),
    [
        ("", JPEG, None),
        ("?filename=c.jpg", {"Content-Type": "application/octet-stream"}, "c.jpg"),
        ("?filename=a%20b.jpg", JPEG, "a b.jpg"),
        (
            "",
            JPEG | {"Content-Disposition": 'attachment; filename="x.jpg"'},
            "x.jpg",
        ),
        ("", JPEG | {"Content-Disposition": "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg"}, "größe.jpg"),
    ],
)
async def test_raw_body_is_answered_with_the_result(query: str, headers: dict[str, str], filename: str | None) -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane) as replica, working(worker):
        reply = await send(replica, "POST", V1 + query, picture(), headers)
    result = Result.parse(reply.body)
    assert result.filename == (filename or result.id)
    assert worker.seen[0].content_type == "image/jpeg"


async def test_top_k_reaches_the_worker_and_is_bounded() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane)):
        reply = await send(replica, "POST", f"{V1}?top_k=100", picture(), JPEG)
        assert len(Result.parse(reply.body).top) == 100
        for wrong in ("0", "101", "many"):
            reply = await send(replica, "POST", f"{V1}?top_k={wrong}", picture(), JPEG)
            problem = json.loads(reply.body)
            assert (reply.status, problem["type"]) == (422, "/problems/bad-parameter")
            assert "top_k" in problem["detail"]


@pytest.mark.parametrize(
    ("inline_limit_bytes", "travels_inside"), [(0, False), (len(picture()) - 1, False), (len(picture()), True)]
)
async def test_r18_large_image_travels_by_claim_check(inline_limit_bytes: int, travels_inside: bool) -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    async with serving(lane, inline_limit_bytes=inline_limit_bytes) as replica, working(worker):
        assert (await send(replica, "POST", V1, picture(), JPEG)).status == 200
    assert (worker.seen[0].image is not None) is travels_inside


async def test_r18_the_queues_own_limit_sends_an_image_by_claim_check() -> None:
    lane = await memory_lane()
    worker = Worker(lane)
    large = picture(size=(3000, 2000), kind="BMP")
    limit = lane.requests.max_message_bytes
    assert len(large) > limit
    async with serving(lane, inline_limit_bytes=len(large)) as replica, working(worker):
        assert (await send(replica, "POST", V1, large, JPEG)).status == 200
    assert worker.seen[0].image is None


async def test_respond_async_is_answered_at_once_and_fetched_later() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        reply = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
        place = reply.headers["location"]
        assert reply.status == 202
        assert reply.headers["preference-applied"] == "respond-async"
        assert json.loads(reply.body) == {"id": place.removeprefix(f"{V1}/"), "status": "waiting"}
        assert (await send(replica, "GET", place)).status == 202
        await Worker(lane, recognise=lambda _: "bathtub").work()
        fetched = await send(replica, "GET", place)
        assert (fetched.status, Result.parse(fetched.body).label) == (200, "bathtub")


async def test_image_is_kept_before_a_202_promises_anything() -> None:
    lane = await memory_lane()
    async with serving(lane, inline_limit_bytes=10**6) as replica:
        for prefer in ("respond-async", "wait=0", "wait=1, respond-async"):
            reply = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": prefer})
            assert reply.status == 202
            assert await lane.buckets.has_input(json.loads(reply.body)["id"])


async def test_wait_that_is_too_short_ends_in_202_and_the_result_comes_all_the_same() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        reply = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "wait=1"})
        assert (reply.status, reply.headers["preference-applied"]) == (202, "wait=1")
        await Worker(lane).work()
        assert (await send(replica, "GET", reply.headers["location"])).status == 200


async def test_wait_that_is_long_enough_ends_in_the_result() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane)):
        reply = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "wait=30"})
        assert (reply.status, reply.headers["preference-applied"]) == (200, "wait=30")


async def test_layout_by_file_name_never_says_404_of_an_accepted_request() -> None:
    lane = await memory_lane(layout=Layout.FILENAME)
    async with serving(lane) as replica:
        reply = await send(replica, "POST", V1, form(("image", "test_0.JPEG", picture())), {"Prefer": "respond-async"})
        place = reply.headers["location"]
        assert (await send(replica, "GET", place)).status == 202
        await Worker(lane, recognise=lambda _: "bathtub").work()
        assert (await send(replica, "GET", place)).status == 200
    assert await lane.buckets.outputs.get("test_0") == b"(test_0, bathtub)"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.NOT_AN_IMAGE, 400),
        (ErrorCode.IMAGE_TOO_LARGE, 413),
        (ErrorCode.UNSUPPORTED_TYPE, 415),
        (ErrorCode.DECODE_TIMEOUT, 422),
        (ErrorCode.INPUT_MISSING, 500),
        (ErrorCode.UNKNOWN_VERSION, 500),
        (ErrorCode.DEAD_LETTER, 500),
    ],
)
async def test_error_result_is_a_problem_for_who_waits_and_a_result_for_who_fetches(
    code: ErrorCode, status: int
) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane, recognise=lambda _: code)):
        reply = await send(replica, "POST", V1, picture(), JPEG)
        problem = json.loads(reply.body)
        assert reply.headers["content-type"] == "application/problem+json"
        assert (reply.status, problem["status"]) == (status, status)
        assert (problem["type"], problem["detail"]) == (f"/problems/{code}", "It did not work.")
        fetched = await send(replica, "GET", f"{V1}/{problem['id']}")
        error = Result.parse(fetched.body).error
        assert fetched.status == 200
        assert error is not None
        assert error.code is code


@pytest.mark.parametrize("tail", ["", "/events"])
@pytest.mark.parametrize(
    ("request_id", "status", "kind"),
    [
        (UNKNOWN_ID, 404, "not-found"),
        ("..%2f..%2fsecret", 404, "not-found"),
        ("short", 404, "not-found"),
        ("a" * 65, 404, "not-found"),
        ("%00" * 8, 404, "not-found"),
        ("ä" * 8, 404, "not-found"),
    ],
)
async def test_id_that_nobody_was_told_is_refused(request_id: str, status: int, kind: str, tail: str) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        reply = await send(replica, "GET", f"{V1}/{request_id}{tail}")
    assert (reply.status, json.loads(reply.body)["type"]) == (status, f"/problems/{kind}")


async def test_head_asks_like_get_and_options_names_what_is_allowed() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        accepted = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
        for path, status in ((accepted.headers["location"], 202), (f"{V1}/{UNKNOWN_ID}", 404), ("/healthz", 200)):
            head = await send(replica, "HEAD", path)
            assert (head.status, head.body) == (status, b"")
        options = await send(replica, "OPTIONS", f"{V1}/{UNKNOWN_ID}")
        assert (options.status, options.headers["allow"]) == (405, "GET, HEAD")
        wrong = await send(replica, "DELETE", V1)
        assert (wrong.status, json.loads(wrong.body)["type"]) == (405, "/problems/method-not-allowed")
        nowhere = await send(replica, "GET", "/nowhere")
        assert (nowhere.status, nowhere.headers["content-type"]) == (404, "application/problem+json")


def events_in(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in stream.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


async def test_events_tell_of_waiting_until_the_result_and_then_end() -> None:
    lane = await memory_lane()
    async with serving(lane, keep_alive_seconds=0.05) as replica:
        accepted = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
        request_id = json.loads(accepted.body)["id"]
        stream = asyncio.create_task(send(replica, "GET", f"{V1}/{request_id}/events"))
        await replica.waiting(1)
        await asyncio.sleep(0.2)
        await Worker(lane, recognise=lambda _: "bathtub").work()
        reply = await stream
        events = events_in(reply.body)
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert len(events) > 2
        assert {name for name, _ in events[:-1]} == {"waiting"}
        assert events[0][1] == {"id": request_id, "status": "waiting"}
        assert (events[-1][0], events[-1][1]["label"]) == ("result", "bathtub")
        again = await send(replica, "GET", f"{V1}/{request_id}/events")
        assert [name for name, _ in events_in(again.body)] == ["result"]


async def test_events_for_a_reader_that_left_hold_nothing() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        accepted = await send(replica, "POST", V1, picture(), JPEG | {"Prefer": "respond-async"})
        async with replica.http.get(replica.url(accepted.headers["location"] + "/events")) as response:
            await response.content.readline()
            await replica.waiting(1)
            response.close()
        await replica.waiting(0)
