"""Each tier alone, as three processes that know each other only through one burstlens.toml."""

import signal
from http.client import HTTPConnection
from urllib.parse import urlsplit

import anyio.to_thread
import pytest

from burstlens.workload.bundled import bundled_photos
from support.commands import SLOW_MACHINE_SECONDS, Home
from support.eventually import eventually

pytestmark = pytest.mark.anyio

HEN = next(photo for photo in bundled_photos() if photo.path.name == "hen.jpg")

SETTINGS = """
fleet = "three-tiers"
data = "shared"

[web]
port = 0

[scaling]
max_instances = 0
"""


def label_of_a_hen(url: str) -> str:
    """As a client without any library of ours sends it."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = HTTPConnection(address.hostname, address.port, timeout=SLOW_MACHINE_SECONDS)
    form = (
        b"--edge\r\nContent-Disposition: form-data; name=myfile; filename=hen.jpg\r\nContent-Type: image/jpeg\r\n\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    try:
        connection.request("POST", "/", form + HEN.path.read_bytes() + b"\r\n--edge--\r\n", headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, body
        return body
    finally:
        connection.close()


async def test_three_tiers_alone_serve_a_request_together(home: Home) -> None:
    (home.folder / "burstlens.toml").write_text(SETTINGS)
    autoscale = await home.start("autoscale")
    web = await home.start("web")
    worker = await home.start("worker", "--processes", "1")

    label = await anyio.to_thread.run_sync(label_of_a_hen, await web.url())

    assert label == HEN.label
    assert (await autoscale.logged("decision"))["wanted"] == 0
    for tier in (worker, web, autoscale):
        assert (await tier.end(signal.SIGTERM)).code == 0
    assert home.processes() == set()
    assert home.sockets() == []


async def test_r20_instances_outlive_an_autoscaler_that_ends_alone_and_the_next_one_drains_them(home: Home) -> None:
    (home.folder / "burstlens.toml").write_text(
        SETTINGS.replace("max_instances = 0", "max_instances = 1\ntick_seconds = 0.1")
    )
    web = await home.start("web")
    first = await home.start("autoscale", BURSTLENS_SCALING__WINDOW="1000")
    assert await anyio.to_thread.run_sync(label_of_a_hen, await web.url()) == HEN.label
    (instance,) = home.processes() - {web.process.pid, first.process.pid}
    for tier in (first, web):
        assert (await tier.end(signal.SIGTERM)).code == 0
    assert home.processes() == {instance}

    second = await home.start("autoscale", BURSTLENS_SCALING__WINDOW="1")

    async def alone() -> bool:
        return home.processes() == {second.process.pid}

    await eventually(alone, SLOW_MACHINE_SECONDS)
    assert (await second.end(signal.SIGTERM)).code == 0
    assert [line["drained"] for line in second.log("decision") if line.get("drained")] == [["app-tier-1"]]
    assert not any(line.get("launched") for line in second.log("decision"))
