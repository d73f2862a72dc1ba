"""The end of a fleet: drained, then killed, and never an exception."""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import structlog

from burstlens.clock import SystemClock
from burstlens.clouds.base import Instance, Pool, Spec
from burstlens.clouds.local import LocalCloud
from burstlens.errors import NotAuthorized, Throttled, Unavailable
from burstlens.scaling.retire import retire
from support.cloud_backends import STAND_IN, end_all
from support.eventually import eventually
from support.scaling import MoodyCloud

pytestmark = pytest.mark.anyio

FLEET = "fleet-a"
POOL = Pool(name="cores", cloud="local", cap=4)
STUBBORN = ("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 600; done")
"""An instance that cannot be asked to end; its child would outlive it."""
LONG = 60.0
"""More than a test has: whoever waits for it fails."""


class SlowToEnd(LocalCloud):
    """A cloud that does not get round to ending anything."""

    async def terminate(self, ids: Sequence[str]) -> None:
        del ids


class LostOnDrain(MoodyCloud):
    """A cloud that stops answering once it was told to drain."""

    async def drain(self, ids: Sequence[str]) -> None:
        await super().drain(ids)
        self.faults = {"instances": Unavailable("the line is cut")}


class OddOne(MoodyCloud):
    """A cloud that cannot end one of its instances in order, and does not answer one look."""

    async def drain(self, ids: Sequence[str]) -> None:
        await super().drain(ids[1:])
        self.faults = {"instances": Unavailable("busy")}
        message = "one is in a state in which it cannot be stopped"
        raise Unavailable(message)

    async def instances(self, fleet: str) -> list[Instance]:
        try:
            return await super().instances(fleet)
        finally:
            self.faults = {}


class NoWait(SystemClock):
    """A clock on which all the time that is slept goes by at once."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def now(self) -> float:
        return super().now() + sum(self.pauses)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await super().sleep(0)


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    await end_all(LocalCloud(tmp_path, SystemClock(), STAND_IN), (FLEET, "fleet-b"))


async def launch(cloud: LocalCloud, folder: Path, *names: str, fleet: str = FLEET, **environment: str) -> list[int]:
    """Launch, wait until each is ready for signals, and return the pids."""
    born = await cloud.launch(POOL, names, Spec(environment), fleet=fleet, token=f"{fleet}-{names}")
    assert len(born) == len(names)

    async def ready() -> bool:
        logs = [(folder / "logs" / f"{name}.log").read_text() for name in names]
        return all("ready" in log for log in logs)

    await eventually(ready)
    return [pid_of(folder, instance) for instance in born]


def pid_of(folder: Path, instance: Instance) -> int:
    return int((folder / "instances" / instance.id / "launched").read_text().split(" ", 1)[0])


def group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


async def test_r4_instances_finish_what_they_hold_and_end(folder: Path, clock: SystemClock) -> None:
    cloud = LocalCloud(folder, clock, STAND_IN)
    pids = await launch(cloud, folder, "app-tier-1", "app-tier-2", FINISH_SECONDS="0.3")

    await retire([cloud], FLEET, clock, LONG)

    assert await cloud.instances(FLEET) == []
    assert not any(group_lives(pid) for pid in pids)
    assert all("finished" in (folder / "logs" / f"app-tier-{n}.log").read_text() for n in (1, 2))


async def test_one_that_does_not_drain_is_killed_with_all_its_processes_after_the_grace(
    folder: Path, clock: SystemClock
) -> None:
    cloud = LocalCloud(folder, clock, STUBBORN)
    (pid,) = await launch(cloud, folder, "app-tier-1")

    with structlog.testing.capture_logs() as logs:
        await retire([cloud], FLEET, clock, grace_seconds=0.3)

    assert await cloud.instances(FLEET) == []
    await eventually(lambda: _not(group_lives(pid)))
    (line,) = logs
    assert (line["log_level"], line["event"]) == ("warning", "instances did not drain in time and are terminated")


async def test_without_any_grace_nobody_is_waited_for(folder: Path, clock: SystemClock) -> None:
    cloud = LocalCloud(folder, clock, STAND_IN)
    await launch(cloud, folder, "app-tier-1", FINISH_SECONDS="600")

    await retire([cloud], FLEET, clock, grace_seconds=0)

    assert await cloud.instances(FLEET) == []


async def test_a_frozen_instance_is_killed_too(folder: Path, clock: SystemClock) -> None:
    cloud = LocalCloud(folder, clock, STAND_IN)
    (pid,) = await launch(cloud, folder, "app-tier-1")
    os.kill(pid, signal.SIGSTOP)

    await retire([cloud], FLEET, clock, grace_seconds=0.1)

    assert await cloud.instances(FLEET) == []


async def test_other_fleets_go_on(folder: Path, clock: SystemClock) -> None:
    cloud = LocalCloud(folder, clock, STAND_IN)
    await launch(cloud, folder, "app-tier-1")
    await launch(cloud, folder, "app-tier-9", fleet="fleet-b")

    await retire([cloud], FLEET, clock, LONG)

    assert [instance.name for instance in await cloud.instances("fleet-b")] == ["app-tier-9"]


async def test_an_empty_fleet_and_no_cloud_at_all_are_fine(folder: Path, clock: SystemClock) -> None:
    await retire([LocalCloud(folder, clock, STAND_IN)], FLEET, clock, LONG)
    await retire([], FLEET, clock, LONG)


@pytest.mark.parametrize("call", ["instances", "drain"])
@pytest.mark.parametrize("error", [Unavailable("no answer"), NotAuthorized("no right"), Throttled("too fast")])
async def test_a_cloud_that_does_not_answer_is_told_in_the_log_and_the_others_are_retired(
    folder: Path, tmp_path: Path, clock: SystemClock, call: str, error: Exception
) -> None:
    lost = MoodyCloud(tmp_path / "lost", clock, STAND_IN)
    lost.faults = {call: error}
    cloud = LocalCloud(folder, clock, STAND_IN)
    await launch(cloud, folder, "app-tier-1")

    with structlog.testing.capture_logs() as logs:
        await retire([lost, cloud], FLEET, clock, LONG)

    assert await cloud.instances(FLEET) == []
    assert [(line["log_level"], line["error"]) for line in logs] == [("error", str(error))]


async def test_one_instance_that_cannot_drain_is_terminated_and_the_others_drain(
    folder: Path, clock: SystemClock
) -> None:
    cloud = OddOne(folder, clock, STAND_IN)
    await launch(cloud, folder, "app-tier-1", "app-tier-2", FINISH_SECONDS="0.1")

    with structlog.testing.capture_logs() as logs:
        await retire([cloud], FLEET, clock, grace_seconds=1)

    assert await cloud.instances(FLEET) == []
    assert [line["event"] for line in logs] == [
        "the cloud does not answer, instances may be left running",
        "instances did not drain in time and are terminated",
    ]


async def test_a_cloud_that_falls_silent_half_way_is_told_in_the_log(folder: Path, clock: SystemClock) -> None:
    cloud = LostOnDrain(folder, clock, STAND_IN)
    await launch(cloud, folder, "app-tier-1")

    with structlog.testing.capture_logs() as logs:
        await retire([cloud], FLEET, clock, LONG)

    assert [line["error"] for line in logs] == ["the line is cut"]


async def test_instances_that_nothing_ends_are_named_in_the_log(folder: Path) -> None:
    cloud = SlowToEnd(folder, SystemClock(), STUBBORN)
    await launch(cloud, folder, "app-tier-1")
    (instance,) = await cloud.instances(FLEET)

    with structlog.testing.capture_logs() as logs:
        await retire([cloud], FLEET, NoWait(), grace_seconds=1)

    assert [line["event"] for line in logs][-1] == "instances are left running"
    assert logs[-1]["instances"] == [instance.id]


async def test_a_slow_end_is_looked_at_less_and_less_often(folder: Path) -> None:
    cloud = SlowToEnd(folder, SystemClock(), STUBBORN)
    await launch(cloud, folder, "app-tier-1")
    clock = NoWait()

    await retire([cloud], FLEET, clock, grace_seconds=60)

    grace = clock.pauses[: clock.pauses.index(max(clock.pauses)) + 20]
    assert grace[0] == 0.1
    assert grace == sorted(grace)
    assert grace[-1] == 2.0


async def _not(value: bool) -> bool:
    return not value
