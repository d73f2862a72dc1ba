"""What only the local cloud promises: processes that are found again, signalled safely, and never left alone."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from burstlens.clock import SystemClock
from burstlens.clouds.base import Instance, Pool, Spec, State
from burstlens.clouds.local import LocalCloud
from burstlens.clouds.process import Leader
from burstlens.errors import QuotaExceeded
from support.cloud_backends import STAND_IN, end_all, is_gone
from support.eventually import eventually

pytestmark = pytest.mark.anyio

FLEET = "fleet-a"
POOL = Pool(name="cores", cloud="local", cap=4)
SLEEPER = ("/bin/sleep", "600")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[LocalCloud]:
    cloud = opened(tmp_path)
    yield cloud
    await end_all(cloud, (FLEET,))


def opened(folder: Path, command: tuple[str, ...] = STAND_IN) -> LocalCloud:
    return LocalCloud(folder, SystemClock(), command)


async def launch(cloud: LocalCloud, *names: str, call: str = "call-1", **environment: str) -> list[Instance]:
    return await cloud.launch(POOL, names, Spec(environment), fleet=FLEET, token=call)


def log_of(folder: Path, name: str = "app-tier-1") -> str:
    path = folder / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


def pid_of(folder: Path, instance: Instance) -> int:
    return int((folder / "instances" / instance.id / "launched").read_text().split(" ", 1)[0])


async def logged(folder: Path, text: str, name: str = "app-tier-1") -> None:
    async def written() -> bool:
        return text in log_of(folder, name)

    await eventually(written)


def processes_of_fleet(folder: Path) -> set[str]:
    """The instance ids of every living process that was started with this folder's mark."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = dict(e.split("=", 1) for e in (path / "environ").read_text().split("\0") if "=" in e)
            alive = (path / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (OSError, UnicodeDecodeError):
            continue
        if alive and environment.get("MARK") == str(folder):
            found.add(environment["BURSTLENS_INSTANCE_ID"])
    return found


async def test_an_instance_knows_who_it_is_and_no_secret_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("BURSTLENS_WEB__PORT", "9000")
    cloud = opened(tmp_path, ("/usr/bin/env",))

    (born,) = await launch(cloud, "app-tier-1", MODEL="lite0")
    await is_gone(cloud, FLEET)

    environment = dict(line.split("=", 1) for line in log_of(tmp_path).splitlines() if "=" in line)
    assert environment["BURSTLENS_INSTANCE"] == "app-tier-1"
    assert environment["BURSTLENS_INSTANCE_ID"] == born.id
    assert environment["BURSTLENS_POOL"] == POOL.name
    assert environment["BURSTLENS_FLEET"] == FLEET
    assert environment["MODEL"] == "lite0"
    assert environment["PATH"] == os.environ["PATH"]
    assert not environment.keys() & {"DATABASE_PASSWORD", "BURSTLENS_WEB__PORT"}


async def test_r4_drain_lets_an_instance_finish_and_exit(tmp_path: Path, cloud: LocalCloud) -> None:
    (born,) = await launch(cloud, "app-tier-1", FINISH_SECONDS="0.3")
    await logged(tmp_path, "ready")

    await cloud.drain([born.id])

    assert [i.state for i in await cloud.instances(FLEET)] == [State.DRAINING]
    assert [i.state for i in await opened(tmp_path).instances(FLEET)] == [State.DRAINING]
    await is_gone(cloud, FLEET)
    assert "finished" in log_of(tmp_path)


async def test_terminate_kills_the_whole_group(tmp_path: Path) -> None:
    cloud = opened(tmp_path, ("/bin/sh", "-c", "trap '' TERM; sleep 600 & sleep 600 & echo ready; wait"))
    (born,) = await launch(cloud, "app-tier-1", MARK=str(tmp_path))
    await logged(tmp_path, "ready")

    await cloud.terminate([born.id])
    await is_gone(cloud, FLEET)

    assert processes_of_fleet(tmp_path) == set()


async def test_an_instance_lives_as_long_as_one_process_of_it(tmp_path: Path) -> None:
    cloud = opened(tmp_path, ("/bin/sh", "-c", "sleep 600 & echo ready"))
    (born,) = await launch(cloud, "app-tier-1", MARK=str(tmp_path))
    await logged(tmp_path, "ready")
    await asyncio.sleep(0.05)

    assert [i.id for i in await cloud.instances(FLEET)] == [born.id]

    await cloud.terminate([born.id])
    await is_gone(cloud, FLEET)
    assert processes_of_fleet(tmp_path) == set()


async def test_instances_do_not_keep_each_other_alive(cloud: LocalCloud) -> None:
    first, second, third = await launch(cloud, "app-tier-1", "app-tier-2", "app-tier-3")
    await cloud.terminate([first.id, second.id])

    async def one_left() -> bool:
        return [i.id for i in await cloud.instances(FLEET)] == [third.id]

    await eventually(one_left)


async def test_a_command_that_is_not_there_fails_with_its_words(cloud: LocalCloud, tmp_path: Path) -> None:
    broken = opened(tmp_path, ("no-such-command",))
    await launch(broken, "app-tier-1")

    failed = await the_failed(broken)

    assert failed.fault.startswith("exit code 127: ")
    assert "no-such-command" in failed.fault


async def test_r13_a_crashed_instance_is_failed_until_it_is_terminated(tmp_path: Path) -> None:
    command = ("/bin/sh", "-c", "echo starting; echo '  cannot read the model  ' >&2; echo; exit 3")
    cloud = opened(tmp_path, command)
    await launch(cloud, "app-tier-1")
    failed = await the_failed(cloud)

    assert failed.fault == "exit code 3: cannot read the model"
    assert await opened(tmp_path).instances(FLEET) == [failed]
    assert await launch(cloud, "app-tier-1", call="call-2") == [], "its name is not free yet"

    await cloud.terminate([failed.id])
    assert await cloud.instances(FLEET) == []


async def test_a_killed_instance_is_failed_and_leaves_no_zombie(tmp_path: Path, cloud: LocalCloud) -> None:
    (born,) = await launch(cloud, "app-tier-1")
    await logged(tmp_path, "ready")
    pid = pid_of(tmp_path, born)

    os.kill(pid, signal.SIGKILL)
    failed = await the_failed(cloud)

    assert failed.fault == "killed by SIGKILL: ready"
    assert Leader.of(pid) is None


async def test_an_instance_that_exits_well_is_just_gone(tmp_path: Path) -> None:
    cloud = opened(tmp_path, ("/bin/true",))
    (born,) = await launch(cloud, "app-tier-1")
    await is_gone(cloud, FLEET)

    assert not (tmp_path / "instances" / born.id).exists()


async def test_r2_the_cap_holds_whoever_launches(tmp_path: Path, cloud: LocalCloud) -> None:
    others = [opened(tmp_path) for _ in range(4)]
    names = [f"app-tier-{n}" for n in range(1, 4)]

    await asyncio.gather(*(launch(one, *names, call=f"call-{n}") for n, one in enumerate(others)))
    assert sorted(i.name for i in await cloud.instances(FLEET)) == names

    more = await launch(cloud, "app-tier-4", "app-tier-5", call="more")
    assert [i.name for i in more] == ["app-tier-4"]
    with pytest.raises(QuotaExceeded, match="pool cores already has 4 instances"):
        await launch(cloud, "app-tier-5", call="even-more")


async def test_r20_instances_are_found_and_drained_after_their_launcher_was_killed(
    tmp_path: Path, cloud: LocalCloud
) -> None:
    with run_launcher(tmp_path, "await launch_all(['app-tier-1', 'app-tier-2'])\nos.kill(os.getpid(), 9)") as launcher:
        assert launcher.wait() == -signal.SIGKILL

    found = await cloud.instances(FLEET)
    assert [i.name for i in found] == ["app-tier-1", "app-tier-2"]

    await cloud.drain([i.id for i in found])
    await is_gone(cloud, FLEET)


async def test_r3_whenever_its_launcher_is_killed_no_process_is_unknown(tmp_path: Path, cloud: LocalCloud) -> None:
    chance = random.Random(7)
    launches_on_and_on = (
        "print('go', flush=True)\n"
        "for n in range(1000): await launch_all([f'app-tier-{n}'], token=str(n), cap=1000, MARK=str(folder))"
    )
    for _ in range(12):
        with run_launcher(tmp_path, launches_on_and_on, SLEEPER) as launcher:
            assert launcher.stdout is not None
            launcher.stdout.readline()
            await asyncio.sleep(chance.uniform(0.0, 0.02))
            launcher.kill()

        listed = {i.id: i for i in await cloud.instances(FLEET)}
        assert processes_of_fleet(tmp_path) <= listed.keys()
        await cloud.terminate([i.id for i in await settled(cloud, lambda states: State.PENDING not in states)])
        await is_gone(cloud, FLEET)
        assert processes_of_fleet(tmp_path) == set()


async def test_r3_a_launch_that_died_before_its_process_can_be_repeated(tmp_path: Path, cloud: LocalCloud) -> None:
    dies_at_start = (
        "import burstlens.clouds.local as local\n"
        "local.start = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "await launch_all(['app-tier-1'], token='once')"
    )
    with run_launcher(tmp_path, dies_at_start) as launcher:
        assert launcher.wait() == -signal.SIGKILL

    assert await cloud.instances(FLEET) == []
    again = await launch(cloud, "app-tier-1", call="once")
    assert [i.name for i in again] == ["app-tier-1"]
    assert [i.id for i in await cloud.instances(FLEET)] == [again[0].id]


async def test_a_stranger_with_the_pid_of_an_instance_is_never_signalled(tmp_path: Path, cloud: LocalCloud) -> None:
    (born,) = await launch(cloud, "app-tier-1")
    await logged(tmp_path, "ready")
    stranger = await asyncio.create_subprocess_exec(*SLEEPER, start_new_session=True)
    try:
        identity = tmp_path / "instances" / born.id / "process"
        own = identity.read_text()
        fields = own.split(" ")
        identity.write_text(" ".join([str(stranger.pid), *fields[1:]]))

        restarted = opened(tmp_path)
        await restarted.drain([born.id])
        await restarted.terminate([born.id])

        await asyncio.sleep(0.05)
        assert stranger.returncode is None
        identity.write_text(own)
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_long_log_is_put_aside(tmp_path: Path, cloud: LocalCloud) -> None:
    log = tmp_path / "logs" / "app-tier-1.log"
    log.parent.mkdir()
    log.write_text("old\n" * 2_000_000)

    await launch(cloud, "app-tier-1")
    await logged(tmp_path, "ready")

    assert log_of(tmp_path) == "ready\n"
    assert log.with_suffix(".log.1").stat().st_size == 8_000_000


async def the_failed(cloud: LocalCloud) -> Instance:
    (failed,) = await settled(cloud, lambda states: states == {State.FAILED})
    return failed


async def settled(cloud: LocalCloud, holds: Callable[[set[State]], bool]) -> list[Instance]:
    """The instances, once their states are as asked for."""

    async def reached() -> bool:
        return holds({i.state for i in await cloud.instances(FLEET)})

    await eventually(reached)
    return await cloud.instances(FLEET)


def run_launcher(folder: Path, steps: str, command: tuple[str, ...] = STAND_IN) -> subprocess.Popen[str]:
    """A process of its own that launches into the folder."""
    program = f"""
import asyncio, os
from pathlib import Path
from burstlens.clock import SystemClock
from burstlens.clouds.base import Pool, Spec
from burstlens.clouds.local import LocalCloud

folder = Path({str(folder)!r})
cloud = LocalCloud(folder, SystemClock(), {command!r})

async def launch_all(names, token="call-1", cap=4, **environment):
    pool = Pool(name="cores", cloud="local", cap=cap)
    return await cloud.launch(pool, names, Spec(environment), fleet={FLEET!r}, token=token)

async def main():
{textwrap.indent(steps, "    ")}

asyncio.run(main())
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
