"""`burstlens demo`, as a newcomer runs it: on real images, with real processes, and with things going wrong."""

import asyncio
import os
import signal

import pytest

from support.commands import SLOW_MACHINE_SECONDS, Home, Running
from support.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def start(home: Home, requests: int) -> Running:
    return await home.start("demo", f"--requests={requests}", "--folder", home.data, COLUMNS="100")


def nothing_is_left(home: Home) -> bool:
    """Neither a process nor a temporary file."""
    return not home.processes() and not list(home.temporary.iterdir())


async def test_a_hundred_real_images_from_zero_instances_to_zero(home: Home) -> None:
    done = await (await start(home, 100)).ended()
    assert (done.code, done.err) == (0, ""), done.out
    assert "100 of 100 in" in done.out
    assert "right labels  100 of 100" in done.out
    assert "queue depth" in done.out
    assert "app-tier-1 × " in done.out
    assert nothing_is_left(home)


async def test_r9_killing_a_worker_loses_nothing(home: Home) -> None:
    demo = await start(home, 100)
    outputs = home.data / "buckets" / "outputs"

    async def some_results() -> bool:
        return outputs.is_dir() and len(list(outputs.iterdir())) > 10

    await eventually(some_results, SLOW_MACHINE_SECONDS)
    os.kill(min(home.workers().keys() & home.processes()), signal.SIGKILL)
    done = await demo.ended()
    assert done.code == 0, done.out
    assert "right labels  100 of 100" in done.out
    assert nothing_is_left(home)


@pytest.mark.parametrize("moment_seconds", [0.2, 0.6, 1.2, 2.0])
async def test_an_interrupt_at_any_moment_leaves_nothing(home: Home, moment_seconds: float) -> None:
    demo = await start(home, 500)
    await asyncio.sleep(moment_seconds)
    done = await demo.end(signal.SIGINT)
    assert done.code in {130, -signal.SIGINT}, done  # the latter while Python itself still starts
    assert "Traceback" not in done.err or done.code == -signal.SIGINT
    assert nothing_is_left(home)


async def test_the_temporary_folder_is_removed(home: Home) -> None:
    done = await home.run("demo", "--requests", "5")
    assert done.code == 0, done.err
    assert "5 of 5" in done.out
    assert nothing_is_left(home)


async def test_it_keeps_to_its_folder_whatever_settings_are_here(home: Home) -> None:
    outside = home.folder / "outside"
    file = f'[buckets]\noutputs = "{outside.as_uri()}"\n[queue]\nurl = "sqlite:{outside}"\n'
    (home.folder / "burstlens.toml").write_text(file)
    elsewhere = {"BURSTLENS_BUCKETS__INPUTS": outside.as_uri(), "BURSTLENS_WEB__HOST": "192.0.2.1"}
    done = await home.run("demo", "--requests", "3", **elsewhere)
    assert done.code == 0, done.err
    assert not outside.exists()
    assert nothing_is_left(home)
