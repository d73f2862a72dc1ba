"""The whole way: gallery, index in the fleet bucket, worker, web tier, and the course's second wire format."""

import asyncio
from pathlib import Path

import pytest

from burstlens.buckets import open_store
from burstlens.clock import SystemClock
from burstlens.heartbeats import Heartbeats
from burstlens.messages import Result
from burstlens.queues.base import QueueOptions
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.faces.embedding import Embedder
from burstlens.recognition.faces.gallery import read_gallery
from burstlens.recognition.faces.recognizer import open_face_recognizer
from burstlens.recognition.faces.store import read_index, write_index
from burstlens.worker.options import Identity, WorkerOptions
from burstlens.worker.worker import Worker
from support.face_pictures import face_picture
from support.web import form, memory_lane, send, serving

pytestmark = pytest.mark.anyio

LIMITS = DecodeLimits(20 * 2**20)
EXPECTED = {
    ("test_00.jpg", "obama2.jpg"): "test_00:Barack_Obama",
    ("test_01.png", "32bit.png"): "test_01:Barack_Obama",
    ("test_02.jpg", "biden.jpg"): "test_02:unknown",
    ("test_03.jpg", "hopper.jpg"): "test_03:Grace_Hopper",
}


async def test_a_generator_of_version_2_gets_the_names_of_the_people(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "Grace_Hopper.jpg").write_bytes(face_picture("hopper.jpg"))
    (tmp_path / "Barack_Obama").mkdir()
    for name in ("obama.jpg", "obama3.jpg"):
        (tmp_path / "Barack_Obama" / name).write_bytes(face_picture(name))
    clock = SystemClock()
    lane = await memory_lane(clock)
    fleet = open_store("memory://")
    write_index(fleet, read_gallery(tmp_path, LIMITS, embedder).to_bytes())
    recognizer = open_face_recognizer(read_index(fleet), LIMITS)
    worker = Worker(
        lane,
        recognizer,
        Heartbeats(lane.buckets.fleet, clock),
        Identity("worker-1", "app-tier-1", "local", managed=False),
        WorkerOptions(),
        QueueOptions(),
        clock,
    )
    async with serving(lane, clock) as replica:
        working = asyncio.create_task(worker.run())
        try:
            forms = [form(("inputFile", upload, face_picture(name))) for upload, name in EXPECTED]
            replies = await asyncio.gather(*(send(replica, "POST", "/", data) for data in forms))
            page = await send(replica, "POST", "/v1/recognitions", form(("file", "a.jpg", face_picture("obama2.jpg"))))
        finally:
            worker.drain()
            async with asyncio.timeout(20):
                await working

    assert [(reply.status, reply.text) for reply in replies] == [(200, answer) for answer in EXPECTED.values()]
    result = Result.parse(page.body)
    assert (result.label, result.class_index, result.model) == ("Barack_Obama", 0, "faces")
