"""What is refused: with which status, in which words, seen by which client, and without reaching a worker."""

import asyncio
import contextlib
import http.client
import json
import struct
import zlib
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from burstlens.clock import SystemClock
from burstlens.lane import REQUESTS
from burstlens.queues.base import QueueOptions
from burstlens.queues.memory import MemoryQueues
from burstlens.web.options import MEBIBYTE
from support.web import Worker, form, memory_lane, picture, send, serving, working

pytestmark = pytest.mark.anyio

V1 = "/v1/recognitions"
SIXTY_MEGABYTES = 60 * MEBIBYTE
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def bomb() -> bytes:
    """A PNG of 60 bytes whose header announces 900 megapixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = zlib.compress(b"")
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    )  # fmt: skip


def multipart(head: bytes, content: bytes = b"x", tail: bytes = b"\r\n--b--\r\n") -> tuple[bytes, dict[str, str]]:
    """A form written by hand, for what no library would send."""
    return b"--b\r\n" + head + b"\r\n\r\n" + content + tail, FORM


def files(*parts: tuple[str, str, bytes], kind: str = "") -> tuple[bytes, dict[str, str]]:
    """A form of files, as `requests` writes it: (field, file name, bytes) each."""
    extra = f"\r\nContent-Type: {kind}" if kind else ""
    heads = [(disposition(name.encode(), field.encode()) + extra.encode(), content) for field, name, content in parts]
    body = b"".join(b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in heads)
    return body + b"--b--\r\n", FORM


def disposition(filename: bytes, field: bytes = b"myfile") -> bytes:
    return b'Content-Disposition: form-data; name="' + field + b'"; filename="' + filename + b'"'


BAD: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "not an image": (*files(("myfile", "a.txt", b"hello, this is text")), 400, "not-an-image"),
    "0 bytes": (*files(("myfile", "a.jpg", b"")), 400, "not-an-image"),
    "only the beginning of a JPEG's header": (*files(("myfile", "a.jpg", picture()[:30])), 400, "not-an-image"),
    "a picture that is not read here": (*files(("myfile", "a.svg", b"<svg></svg>")), 415, "unsupported-type"),
    "a declared type that is no image": (
        *files(("myfile", "a.jpg", picture()), kind="text/html"), 415, "unsupported-type"),
    "a decompression bomb": (*files(("myfile", "a.png", bomb())), 413, "image-too-large"),
    "no file": (*files(), 400, "no-file"),
    "a form with text only": (*multipart(b'Content-Disposition: form-data; name="comment"'), 400, "no-file"),
    "a file input left empty": (*multipart(disposition(b""), b""), 400, "no-file"),
    "two files": (*files(("myfile", "a.jpg", picture()), ("myfile", "b.jpg", picture())), 400, "two-files"),
    "two files in two fields": (
        *files(("myfile", "a.jpg", picture()), ("other", "b.jpg", picture())), 400, "two-files"),
    "wrong field": (*files(("photo", "a.jpg", picture())), 400, "wrong-field"),
    "a 10,000-character name": (*files(("myfile", "n" * 10_000, picture())), 400, "bad-file-name"),
    "a 256-byte name": (*files(("myfile", "n" * 256, picture())), 400, "bad-file-name"),
    "../ in the name": (*multipart(disposition(b"../../etc/passwd"), picture()), 400, "bad-file-name"),
    "a backslash in the name": (*multipart(disposition(b"a\\b.jpg"), picture()), 400, "bad-file-name"),
    "a name that is a folder": (*multipart(disposition(b".."), picture()), 400, "bad-file-name"),
    "a control character in the name": (
        *multipart(b"Content-Disposition: form-data; name=myfile; filename*=utf-8''a%0Ab.jpg", picture()),
        400, "bad-file-name"),
    "a zero byte in a header": (*multipart(disposition(b"a\0b.jpg"), picture()), 400, "bad-file-name"),
    "a header without end": (*multipart(disposition(b"n" * 40_000), picture()), 400, "bad-form"),
    "a form cut off": (*multipart(disposition(b"a.jpg"), picture(), b""), 400, "bad-form"),
    "no boundary": (b"x", {"Content-Type": "multipart/form-data"}, 400, "bad-form"),
    "a boundary too long": (b"x", {"Content-Type": f"multipart/form-data; boundary={'b' * 300}"}, 400, "bad-form"),
    "no form at all": (b"not a form", FORM, 400, "bad-form"),
    "JSON": (b"{}", {"Content-Type": "application/json"}, 415, "unsupported-type"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
async def test_bad_upload_is_refused_in_a_sentence_and_reaches_no_worker(case: str) -> None:
    body, headers, status, kind = BAD[case]
    lane = await memory_lane()
    async with serving(lane) as replica:
        reply = await send(replica, "POST", V1, body, headers)
        problem = json.loads(reply.body)
        assert (reply.status, problem["type"]) == (status, f"/problems/{kind}")
        assert reply.headers["content-type"] == "application/problem+json"
        text = await send(replica, "POST", "/", body, headers)
        assert (text.status, text.headers["content-type"]) == (status, "text/plain; charset=utf-8")
        for sentence in (problem["detail"], text.text):
            assert sentence[0].isupper()
            assert sentence.endswith(".")
            assert len(sentence) < 400
        assert (await lane.requests.depth()).total == 0
        async with working(Worker(lane)):
            assert (await send(replica, "POST", "/", form(("myfile", "a.jpg", picture())))).status == 200


JPEG = {"Content-Type": "image/jpeg"}
RAW: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "an empty body": (b"", JPEG, 400, "no-file"),
    "an empty body without a type": (b"", {}, 400, "no-file"),
    "text": (picture(), {"Content-Type": "text/plain"}, 415, "unsupported-type"),
    "a path": (picture(), JPEG | {"Content-Disposition": 'x; filename="a/b"'}, 400, "bad-file-name"),
}


@pytest.mark.parametrize("case", RAW)
async def test_bad_raw_body_is_refused(case: str) -> None:
    body, headers, status, kind = RAW[case]

    def post(netloc: str) -> tuple[int, str]:
        with contextlib.closing(http.client.HTTPConnection(netloc)) as connection:
            connection.request("POST", V1, body, headers)
            response = connection.getresponse()
            return response.status, json.load(response)["type"]

    lane = await memory_lane()
    async with serving(lane) as replica:
        answer = await asyncio.to_thread(post, urlsplit(replica.server.url).netloc)
    assert answer == (status, f"/problems/{kind}")


@pytest.mark.parametrize("filename", ["..%2fx", "a%00b", "n" * 300, "%0d%0aSet-Cookie: x"])
async def test_bad_name_in_the_query_is_refused(filename: str) -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        reply = await send(replica, "POST", f"{V1}?filename={filename}", picture(), JPEG)
    assert (reply.status, json.loads(reply.body)["type"]) == (400, "/problems/bad-file-name")
    assert "set-cookie" not in reply.headers


async def test_name_that_is_not_utf8_is_harmless() -> None:
    lane = await memory_lane()
    body, headers = multipart(disposition(b"\xff\xfe.jpg", b"inputFile"), picture())
    async with serving(lane) as replica, working(Worker(lane, recognise=lambda _: "bathtub")):
        reply = await send(replica, "POST", "/", body, headers)
    assert (reply.status, reply.text) == (200, "\ufffd\ufffd:bathtub")


async def test_wrong_field_names_the_right_ones() -> None:
    lane = await memory_lane()
    body, headers = files(("photo", "a.jpg", picture()))
    async with serving(lane) as replica:
        text = (await send(replica, "POST", "/", body, headers)).text
    assert text == "The file is in the wrong form field; the field is called 'myfile' or 'inputFile'."


def send_all_before_reading(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """60 MB from a client that sends everything before it reads anything, as `requests` does."""
    chunks = iter([b"x" * MEBIBYTE] * (SIXTY_MEGABYTES // MEBIBYTE))
    with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:
        connection.request("POST", V1, chunks, headers, encode_chunked="Transfer-Encoding" in headers)
        response = connection.getresponse()
        return response.status, json.load(response)["type"]


LENGTH = {"Content-Length": str(SIXTY_MEGABYTES)}
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("size", [LENGTH, CHUNKED], ids=["known length", "unknown length"])
@pytest.mark.parametrize("kind", [JPEG, FORM], ids=["raw", "form"])
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_60_megabytes_are_refused_and_their_sender_sees_it(
    size: dict[str, str], kind: dict[str, str], connection: str
) -> None:
    lane = await memory_lane()
    headers = {"Connection": connection} | size | kind
    async with serving(lane) as replica:
        status, problem = await asyncio.to_thread(send_all_before_reading, replica.server.url, headers)
        metrics = (await send(replica, "GET", "/metrics")).text
    expected = (400, "/problems/bad-form") if (kind, size) == (FORM, CHUNKED) else (413, "/problems/image-too-large")
    assert (status, problem) == expected
    assert "burstlens_web_held_bytes 0.0" in metrics


async def test_header_that_never_ends_is_refused_and_stops_nobody_else() -> None:
    lane = await memory_lane()
    hostile = picture()[:2] + b"\xff\xfe\x00\x02" * 1_500_000 + picture()[2:]
    async with serving(lane) as replica, working(Worker(lane)):
        refused, served = await asyncio.gather(
            send(replica, "POST", V1, hostile, JPEG),
            send(replica, "POST", "/", form(("myfile", "a.jpg", picture()))),
        )
    assert (refused.status, json.loads(refused.body)["type"]) == (413, "/problems/image-too-large")
    assert served.status == 200
    assert (await lane.requests.depth()).total == 0


async def test_form_whose_other_fields_are_too_large_is_refused() -> None:
    lane = await memory_lane()
    body, headers = multipart(b'Content-Disposition: form-data; name="comment"', b"x" * 200_000)
    async with serving(lane, max_image_bytes=1000) as replica:
        assert (await send(replica, "POST", V1, body, headers)).status == 413


async def test_client_that_waits_to_be_told_sends_nothing_in_vain() -> None:
    lane = await memory_lane()
    head = (
        f"POST {V1} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {SIXTY_MEGABYTES}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    async with serving(lane) as replica:
        reader, writer = await asyncio.open_connection(*replica.server.address)
        writer.write(head.encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


async def test_sender_that_never_ends_is_cut_off() -> None:
    lane = await memory_lane()
    head = f"POST {V1} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {SIXTY_MEGABYTES}\r\n\r\n"
    async with serving(lane, linger_seconds=0.1) as replica:
        reader, writer = await asyncio.open_connection(*replica.server.address)
        writer.write(head.encode() + b"some")
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        writer.close()


async def test_r18_a_queue_of_small_messages_just_means_claim_check_and_shorter_names() -> None:
    queues = MemoryQueues(SystemClock(), max_message_bytes=400)
    requests = await queues.create(REQUESTS, QueueOptions())
    lane = replace(await memory_lane(), queues=queues, requests=requests)
    async with serving(lane) as replica, working(Worker(lane)) as worker:
        good = await send(replica, "POST", V1, form(("image", "cat.jpg", picture())))
        too_long = await send(replica, "POST", V1, form(("image", "n" * 255, picture())))

    assert good.status == 200
    assert [request.input_key for request in worker.seen] == [worker.seen[0].id]
    assert (too_long.status, json.loads(too_long.body)["type"]) == (400, "/problems/bad-file-name")
