"""The course's workload generators, byte for byte as they speak HTTP, against a web tier that really listens."""

import asyncio
import http.client
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from burstlens.clock import ManualClock
from burstlens.messages import ErrorCode
from support.web import Replica, Worker, by_size, form, memory_lane, picture, send, serving, working

pytestmark = pytest.mark.anyio


def post_like_requests(url: str, field: str, filename: str, image: bytes) -> tuple[int, str, bytes]:
    """What `requests.post(url, files={field: open(path, "rb")})` puts on the wire; no client time-out."""
    boundary = uuid.uuid4().hex
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'.encode()
        + image
        + f"\r\n--{boundary}--\r\n".encode()
    )
    headers = {
        "User-Agent": "python-requests/2.31.0",
        "Accept-Encoding": "gzip, deflate",
        "Accept": "*/*",
        "Connection": "keep-alive",
        "Content-Length": str(len(body)),
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


async def in_threads(replica: Replica, path: str, field: str, names_and_images: list[tuple[str, bytes]]) -> list[bytes]:
    """Send them all at once, one thread each, and return the bodies in order."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(names_and_images)) as threads:
        answers = await asyncio.gather(
            *(
                loop.run_in_executor(threads, post_like_requests, replica.url(path), field, name, image)
                for name, image in names_and_images
            )
        )
    assert {(status, kind) for status, kind, _ in answers} == {(200, "text/plain; charset=utf-8")}
    return [body for _, _, body in answers]


IMAGES = [(f"test_{n}.JPEG", picture(n * 37, (32 + n, 24))) for n in range(100)]


@pytest.mark.parametrize("path", ["/", "/upload", ""])
async def test_generator_of_version_1_gets_the_bare_label_on_100_threads(path: str) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane)):
        bodies = await in_threads(replica, path, "myfile", IMAGES)
    assert bodies == [str(by_size(image)).encode() for _, image in IMAGES]


@pytest.mark.parametrize("path", ["/", "/upload"])
async def test_generator_of_version_2_gets_name_and_label_on_100_threads(path: str) -> None:
    lane = await memory_lane()
    async with serving(lane, inline_limit_bytes=0) as replica, working(Worker(lane)):
        bodies = await in_threads(replica, path, "inputFile", IMAGES)
    assert bodies == [f"test_{n}:{by_size(image)}".encode() for n, (_, image) in enumerate(IMAGES)]
    assert bodies[7].decode().split(":")[1].strip() == by_size(IMAGES[7][1])


@pytest.mark.parametrize(
    ("filename", "name"),
    [("test_00.jpg", "test_00"), ("a.b.png", "a.b"), ("bare", "bare"), ("größe.jpg", "größe"), ("a b;c.jpg", "a b;c")],
)
async def test_name_goes_back_without_its_extension(filename: str, name: str) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane, recognise=lambda _: "bathtub")):
        answer = await asyncio.to_thread(post_like_requests, replica.url("/"), "inputFile", filename, picture())
    assert answer == (200, "text/plain; charset=utf-8", f"{name}:bathtub".encode())


async def test_answer_14_minutes_later_still_arrives() -> None:
    clock = ManualClock()
    lane = await memory_lane(clock)
    async with serving(lane, clock, shutdown_seconds=0) as replica:
        asked = asyncio.create_task(send(replica, "POST", "/", form(("myfile", "test_0.JPEG", picture()))))
        await replica.waiting(1)
        for _ in range(14):
            await clock.advance(60)
        assert not asked.done()
        await Worker(lane, clock, lambda _: "bathtub").work()
        assert (await asked).body == b"bathtub"


async def test_after_15_minutes_the_client_is_told_where_the_result_will_be() -> None:
    clock = ManualClock()
    lane = await memory_lane(clock)
    async with serving(lane, clock, shutdown_seconds=0) as replica:
        asked = asyncio.create_task(send(replica, "POST", "/", form(("myfile", "test_0.JPEG", picture()))))
        await replica.waiting(1)
        for _ in range(15):
            await clock.advance(60)
        late = await asked
        assert late.status == 504
        assert late.headers["content-type"] == "text/plain; charset=utf-8"
        place = late.text.split()[-1].rstrip(".")
        assert (await send(replica, "GET", place)).status == 202
        await Worker(lane, clock, lambda _: "bathtub").work()
        assert b'"label":"bathtub"' in (await send(replica, "GET", place)).body


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (ErrorCode.NOT_AN_IMAGE, 400),
        (ErrorCode.IMAGE_TOO_LARGE, 413),
        (ErrorCode.UNSUPPORTED_TYPE, 415),
        (ErrorCode.DECODE_TIMEOUT, 422),
        (ErrorCode.DEAD_LETTER, 500),
    ],
)
async def test_error_of_a_worker_is_a_sentence_of_text(answer: ErrorCode, status: int) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica, working(Worker(lane, recognise=lambda _: answer)):
        reply = await send(replica, "POST", "/", form(("myfile", "test_0.JPEG", picture())))
    assert (reply.status, reply.text) == (status, "It did not work.")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
