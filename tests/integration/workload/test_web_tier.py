"""The generator against the product's own web tier: both speak the same wire."""

import asyncio

import pytest

from burstlens.workload.arrivals import closed
from burstlens.workload.formats import Format
from burstlens.workload.images import Image
from burstlens.workload.run import Plan, run
from support.web import Worker, memory_lane, picture, serving, working

pytestmark = pytest.mark.anyio

IMAGES = (Image("test_0.JPEG", picture(), "bathtub"), Image("blå katt.JPEG", picture(9), "bathtub"))


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [(Format.AUTO, Format.V1), (Format.V1, Format.V1), (Format.MYFILE, Format.MYFILE), (Format.INPUT_FILE,) * 2],
)
async def test_every_format_gets_its_label(asked: Format, spoken: Format) -> None:
    lane = await memory_lane()
    worker = Worker(lane, recognise=lambda image: "bathtub")
    async with serving(lane) as replica, working(worker):
        done = await run(Plan(replica.url("/"), IMAGES, closed(6), concurrency=3, form=asked))
    assert [(outcome.label, outcome.status) for outcome in done.outcomes] == [("bathtub", 200)] * 6
    assert done.form is spoken
    assert {request.filename for request in worker.seen} == {"test_0.JPEG", "blå katt.JPEG"}


async def test_a_result_that_takes_longer_than_the_server_waits_is_polled_for() -> None:
    lane = await memory_lane()
    async with serving(lane, wait_seconds=0.05) as replica:
        running = asyncio.ensure_future(run(Plan(replica.url("/"), IMAGES, closed(1), form=Format.V1)))
        await asyncio.sleep(0.3)  # beyond the server's own wait, so that it has answered 202
        async with working(Worker(lane, recognise=lambda image: "bathtub")):
            done = await running
    assert [outcome.label for outcome in done.outcomes] == ["bathtub"]


async def test_a_bad_image_is_a_failure_with_the_servers_reason() -> None:
    lane = await memory_lane()
    async with serving(lane) as replica:
        done = await run(Plan(replica.url("/"), [Image("test_0.JPEG", b"no picture")], closed(1)))
    (outcome,) = done.outcomes
    assert outcome.problem is not None
    assert outcome.problem.kind.startswith("http-4")
    assert outcome.problem.message
