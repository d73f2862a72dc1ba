"""`burstlens up`: the whole system in one command, and what is left when it ends."""

import json
import os
import signal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from burstlens.workload.bundled import bundled_photos
from support.commands import Home
from support.eventually import eventually

pytestmark = pytest.mark.anyio

HEN = next(photo for photo in bundled_photos() if photo.path.name == "hen.jpg")
NEVER_IN = {"BURSTLENS_SCALING__WINDOW": "1000"}
"""For a test that needs its instance for longer than a slow machine takes."""


async def recognise(url: str) -> dict[str, Any]:
    """Send the hen and wait for its result."""
    async with (
        aiohttp.ClientSession(url) as client,
        client.post(
            "/v1/recognitions", data=HEN.path.read_bytes(), headers={"Content-Type": "image/jpeg", "Prefer": "wait=40"}
        ) as answer,
    ):
        assert answer.status == 200, await answer.text()
        result: dict[str, Any] = await answer.json()
        return result


async def fetch(url: str, request_id: str) -> dict[str, Any]:
    async with aiohttp.ClientSession(url) as client, client.get(f"/v1/recognitions/{request_id}") as answer:
        assert answer.status == 200, await answer.text()
        result: dict[str, Any] = await answer.json()
        return result


def refuses_connections(url: str) -> bool:
    address = urlsplit(url)
    assert address.hostname is not None
    try:
        HTTPConnection(address.hostname, address.port, timeout=5).connect()
    except ConnectionRefusedError:
        return True
    return False


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder).parts[0]) for path in folder.rglob("*")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_end_and_leaves_nothing_running(home: Home, number: signal.Signals) -> None:
    up = await home.start("up", "--port", "0")
    url = await up.url()

    result = await recognise(url)
    assert result["label"] == HEN.label
    assert result["instance"] == "app-tier-1"
    done = await up.end(number)

    assert done.code == 0
    assert done.out == f"burstlens is ready on {url}\n"
    assert home.processes() == set()
    assert refuses_connections(url)
    assert home.sockets() == []
    assert list(home.temporary.iterdir()) == []
    assert everything_in(home.folder) == {"burstlens-data", "tmp", "out-0", "err-0"}
    launches = [line["launched"] for line in map(json.loads, done.err.splitlines()) if "launched" in line]
    assert launches == [["app-tier-1"]]


async def test_started_again_on_the_same_folder_it_still_has_the_earlier_result(home: Home) -> None:
    up = await home.start("up", "--port", "0")
    before = await recognise(await up.url())
    assert (await up.end(signal.SIGTERM)).code == 0

    again = await home.start("up", "--port", "0")
    url = await again.url()

    assert await fetch(url, before["id"]) == before
    assert (await recognise(url))["label"] == HEN.label
    assert (await again.end(signal.SIGTERM)).code == 0
    assert home.processes() == set()
    wanting = next(decision for decision in again.log("decision") if decision["wanted"])
    assert wanting["launched"] == ["app-tier-1"]


async def test_r20_killed_and_started_again_it_finds_its_instance_and_ends_it_at_its_own_end(home: Home) -> None:
    up = await home.start("up", "--port", "0", "--max-instances", "1", **NEVER_IN)
    await recognise(await up.url())
    (worker,) = await home.works(1)
    await up.end(signal.SIGKILL)
    assert home.processes() == {worker}

    again = await home.start("up", "--port", "0", "--max-instances", "1", **NEVER_IN)
    url = await again.url()
    seen = await again.logged("decision")
    assert (seen["running"], seen["pending"], seen.get("launched")) == (1, 0, None)
    assert (await recognise(url))["instance"] == "app-tier-1"
    assert home.processes() == {again.process.pid, worker}
    assert (await again.end(signal.SIGTERM)).code == 0

    assert home.processes() == set()


async def test_r3_its_instances_are_told_by_it_alone_and_not_by_a_file_that_changes_under_it(home: Home) -> None:
    (home.folder / "burstlens.toml").write_text("[queue]\nname = 'mine'\n")
    up = await home.start("up", "--port", "0")
    url = await up.url()
    (home.folder / "burstlens.toml").write_text("[queue\nname = 'half a s")

    assert (await recognise(url))["label"] == HEN.label


async def test_a_second_ctrl_c_does_not_wait_for_what_is_in_work_and_still_leaves_nothing(home: Home) -> None:
    up = await home.start("up", "--port", "0", **NEVER_IN)
    await recognise(await up.url())
    (worker,) = await home.works(1)
    os.kill(worker, signal.SIGSTOP)  # so it cannot drain

    up.process.send_signal(signal.SIGINT)

    async def drains() -> bool:
        return any(home.data.glob("fleet/instances/*/ending"))

    await eventually(drains)
    done = await up.end(signal.SIGINT)

    assert done.code == 130
    assert "Traceback" not in done.err
    assert home.processes() == set()
