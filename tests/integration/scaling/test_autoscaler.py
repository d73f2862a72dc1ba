"""The autoscaler over a real queue, real buckets and real processes; only time is the test's own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from burstlens.clouds.base import Instance, Pool, Spec, State
from burstlens.errors import (
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from burstlens.scaling.decision import Census
from support.eventually import eventually
from support.scaling import Deploy, Deployment, MoodyCloud

pytestmark = pytest.mark.anyio


async def test_r19_the_fleet_grows_works_shrinks_to_zero_and_stays_there(deploy: Deploy) -> None:
    world = deploy()
    await world.tick()
    assert await world.names() == set()

    await world.send(6)
    await world.tick()
    assert await world.names() == {"app-tier-1", "app-tier-2", "app-tier-3"}

    await world.beat()
    await world.finish_all()
    await world.tick(3)
    assert len(await world.names()) == 3, "the window is not yet full of the wish for none"
    await world.beat()
    await world.tick()
    await world.shrinks_to(0)

    before = len(world.autoscaler.recent)
    await world.tick(10)
    later = list(world.autoscaler.recent)[before:]
    assert all(not (d.launched or d.drained or d.terminated) for d in later)
    assert await world.names() == set()


async def test_r1_instances_on_their_way_are_not_launched_again(deploy: Deploy) -> None:
    world = deploy()
    await world.send(6)
    await world.tick(5)

    assert await world.names() == {"app-tier-1", "app-tier-2", "app-tier-3"}
    decision = world.autoscaler.recent[-1]
    assert decision.census == Census(pending=3)
    assert decision.guarded == ("scale-in waits for 3 that boot",)


async def test_r2_the_cap_holds_under_any_load(deploy: Deploy) -> None:
    world = deploy(max_instances=4)
    await world.send(500)
    await world.tick(4)

    assert len(await world.names()) == 4


async def test_r2_the_cap_holds_when_the_cloud_forgets_to_list(deploy: Deploy) -> None:
    world = deploy(max_instances=4, listing_grace_seconds=30)
    world.cloud.lists_nothing = True
    await world.send(500)
    await world.tick(5)

    assert len(await world.names()) == 4


async def test_r2_a_launch_without_an_answer_counts_as_launched(deploy: Deploy) -> None:
    world = deploy(max_instances=4)
    world.cloud.launch_fault_after = Unavailable("connection reset")
    world.cloud.lists_nothing = True
    await world.send(500)
    await world.tick(3)

    assert len(await world.names()) == 4
    assert world.autoscaler.errors["Unavailable"] == 1
    first = world.autoscaler.recent[0]
    assert first.launched == ()
    assert first.held == ("launch in pool cores: connection reset",)


async def test_r4_r6_requests_in_flight_keep_the_fleet_and_busy_ones_stay(deploy: Deploy) -> None:
    world = deploy(scale_in_divisor=2)
    await world.send(8)
    await world.tick()
    held = await world.receive(8)
    for _ in range(6):
        await world.beat()
        await world.tick()
    assert len(await world.names()) == 4, "nothing is visible, but eight are in flight"

    await world.queue.delete(held[2:])
    for _ in range(4):
        await world.beat(busy=["app-tier-4"])
        await world.tick()
    await world.shrinks_to(1)
    assert await world.names() == {"app-tier-4"}

    await world.queue.delete(held[:2])
    for _ in range(5):
        await world.beat(busy=["app-tier-4"])
        await world.tick()
    assert await world.names() == {"app-tier-4"}
    assert world.autoscaler.recent[-1].wanted == 0
    assert world.autoscaler.recent[-1].reasons == ("1 surplus is busy",)

    await world.beat()
    await world.tick()
    await world.shrinks_to(0)


async def test_r7_an_unknown_depth_is_not_zero(deploy: Deploy) -> None:
    world = deploy()
    await world.send(6)
    await world.tick()
    await world.finish_all()
    world.queue.fault = Throttled("too many requests", retry_after_seconds=9)
    for _ in range(20):
        await world.beat()
        await world.tick()

    decision = world.autoscaler.recent[-1]
    assert len(await world.names()) == 3
    assert (decision.depth, decision.wanted) == (None, None)
    assert decision.held == ("depth is unknown: too many requests",)
    assert world.autoscaler.errors["Throttled"] == 20


async def test_r7_a_stale_depth_is_unknown(deploy: Deploy) -> None:
    world = deploy(depth_stale_seconds=60)
    world.queue.age_seconds = 61
    await world.send(6)
    await world.tick()

    assert await world.names() == set()
    assert world.autoscaler.recent[-1].held == ("depth is unknown: it was counted 61 s ago",)


@pytest.mark.parametrize("error", [Unavailable("no answer"), NotAuthorized("denied"), Misconfigured("no such region")])
async def test_r7_a_cloud_that_cannot_be_listed_changes_nothing(deploy: Deploy, error: Exception) -> None:
    world = deploy()
    await world.send(500)
    world.cloud.faults = {"instances": error}
    await world.tick(3)

    decision = world.autoscaler.recent[-1]
    assert await world.names() == set()
    assert (decision.census, decision.wanted) == (None, None)
    assert decision.held == (f"instances on local are unknown: {error}",)
    world.cloud.faults = {}
    await world.tick()
    assert len(await world.names()) == 4


async def test_r7_without_heartbeats_nobody_is_replaced(deploy: Deploy) -> None:
    world = deploy(boot_allowance_seconds=20, window=100)
    await world.send(6)
    await world.tick()
    await world.beat()
    before = {i.id for i in await world.listed()}
    world.bucket.fault = Unavailable("no answer")
    await world.tick(10)

    assert {i.id for i in await world.listed()} == before
    assert world.autoscaler.recent[-1].held == ("heartbeats are unknown: no answer",)


@pytest.mark.parametrize("sleeps", [False, True], ids=["the bucket was away", "the machine slept"])
async def test_r4_r7_workers_that_could_not_beat_for_a_while_are_not_killed(deploy: Deploy, *, sleeps: bool) -> None:
    world = deploy()
    await world.send(4)
    await world.tick()
    await world.beat()
    await world.tick()
    if sleeps:
        await world.clock.advance(600)
    else:
        world.bucket.fault = Unavailable("away")
        await world.tick(30)
        world.bucket.fault = None
    await world.tick()

    assert world.autoscaler.recent[-1].terminated == ()
    await world.tick(26)
    assert {"app-tier-1", "app-tier-2"} <= {name for each in world.autoscaler.recent for name in each.terminated}


async def test_r8_an_unknown_sample_does_not_restart_the_window(deploy: Deploy) -> None:
    world = deploy(window=4)
    await world.send(2)
    await world.tick()
    await world.beat()
    await world.finish_all()
    await world.tick(2)
    world.queue.fault = Unavailable("no answer")
    await world.tick()
    world.queue.fault = None
    await world.tick()
    assert await world.names() == {"app-tier-1"}
    await world.beat()
    await world.tick()

    await world.shrinks_to(0)


async def test_r20_a_restart_neither_churns_nor_forgets(deploy: Deploy) -> None:
    world = deploy(window=4)
    await world.send(8)
    await world.tick()
    before = {i.id for i in await world.listed()}
    assert len(before) == 4

    await world.finish_all()
    await world.tick(3)
    world.autoscaler = world.start_autoscaler()
    await world.beat()
    await world.tick(3)
    assert {i.id for i in await world.listed()} == before, "an empty window puts scale-in off"
    await world.beat()
    await world.tick()
    await world.shrinks_to(0)


async def test_r20_a_drain_goes_on_after_a_restart(deploy: Deploy) -> None:
    """One that does not end in its grace is terminated; the grace begins anew."""
    world = deploy(
        command=("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"), drain_grace_seconds=20
    )
    await world.send(2)
    await world.tick()
    await world.finish_all()

    log = world.folder / "logs" / "app-tier-1.log"

    async def ignores_signals() -> bool:
        return "ready" in log.read_text()

    await eventually(ignores_signals)
    await world.tick(4)
    assert [i.state for i in await world.listed()] == [State.DRAINING]

    world.autoscaler = world.start_autoscaler()
    await world.tick(5)
    assert [i.state for i in await world.listed()] == [State.DRAINING]
    await world.tick()
    await world.shrinks_to(0)
    assert world.autoscaler.recent[-1].reasons == ("app-tier-1: has been draining for more than 20 s",)


async def test_r4_a_worker_that_drains_by_itself_is_replaced_and_not_killed(deploy: Deploy) -> None:
    world = deploy(max_instances=4)
    await world.send(2)
    await world.tick()
    await world.beat(draining=["app-tier-1"])
    await world.tick()

    assert await world.names() == {"app-tier-1", "app-tier-2"}
    assert world.autoscaler.recent[-1].launched == ("app-tier-2",)
    assert world.autoscaler.recent[-1].terminated == ()


async def test_r5_a_booting_instance_is_left_alone_and_a_silent_one_replaced(deploy: Deploy) -> None:
    world = deploy(boot_allowance_seconds=60)
    await world.send(2)
    await world.tick()
    (first,) = await world.listed()
    await world.tick(12)
    assert [i.id for i in await world.listed()] == [first.id]

    await world.tick()
    decision = world.autoscaler.recent[-1]
    assert decision.terminated == ("app-tier-1",)
    assert decision.launched == ("app-tier-2",)
    assert decision.reasons == ("app-tier-1: no heartbeat for 60 s",)
    await world.shrinks_to(1)


async def test_r11_a_pool_without_capacity_is_passed_over_until_its_cooldown_is_over(deploy: Deploy) -> None:
    own, burst = Pool("own", "local", cap=2), Pool("burst", "local", cap=10, order=1)
    world = deploy(pools=(own, burst), capacity_cooldown_seconds=60, window=100)
    world.cloud.faults = {"launch in own": CapacityUnavailable("no valid host")}
    await world.send(4)
    await world.tick(2)

    assert [(i.pool, i.name) for i in await world.listed()] == [("burst", "app-tier-1"), ("burst", "app-tier-2")]
    assert world.autoscaler.recent[-1].held == ("pool own is closed for now: no valid host",)
    world.cloud.faults = {}
    await world.send(4)
    await world.tick()
    assert {i.pool for i in await world.listed()} == {"burst"}

    await world.tick(9)
    assert "own" not in {i.pool for i in await world.listed()}, "the cap of the fleet is reached"
    await world.cloud.terminate([i.id for i in await world.listed()])
    await world.shrinks_to(0)
    await world.tick()
    assert [i.pool for i in await world.listed()] == ["own", "own", "burst", "burst"]


async def test_r12_a_throttled_launch_is_asked_for_again_at_once_when_the_pause_is_over(deploy: Deploy) -> None:
    world = deploy()
    world.cloud.faults = {"launch": Throttled("slow down", retry_after_seconds=5)}
    await world.send(8)
    await world.tick()
    world.cloud.faults = {}
    await world.tick()
    assert len(await world.names()) == 4, "nobody was born, so nobody stands in the way"


async def test_r11_a_pool_that_only_the_operator_can_mend_is_passed_over(deploy: Deploy) -> None:
    own, burst = Pool("own", "local", cap=2), Pool("burst", "local", cap=10, order=1)
    world = deploy(pools=(own, burst))
    world.cloud.faults = {"launch in own": Misconfigured("there is no such image")}
    await world.send(4)
    await world.tick(2)

    assert [i.pool for i in await world.listed()] == ["burst", "burst"]
    assert world.autoscaler.recent[-1].held == ("pool own is closed for now: there is no such image",)


async def test_r12_a_quota_pauses_a_pool_longer_than_missing_capacity(deploy: Deploy) -> None:
    world = deploy(quota_cooldown_seconds=600)
    world.cloud.faults = {"launch": QuotaExceeded("10 of 10 instances")}
    await world.send(8)
    await world.tick()
    world.cloud.faults = {}
    await world.tick(119)
    assert await world.names() == set()
    assert world.autoscaler.errors["QuotaExceeded"] == 1

    await world.tick()
    assert len(await world.names()) == 4


async def test_r13_instances_that_crash_at_once_stop_launches_and_are_removed(deploy: Deploy) -> None:
    world = deploy(command=("/bin/sh", "-c", "echo no model here; exit 3"), failed_boots=3)
    await world.send(2)

    async def launched() -> int:
        await world.tick()
        await asyncio.sleep(0.02)
        return sum(len(decision.launched) for decision in world.autoscaler.recent)

    counts = [await launched() for _ in range(30)]

    assert counts[-1] == 3
    assert world.autoscaler.recent[-1].held == (
        "pool cores is closed for now: 3 instances in a row ended without a heartbeat: exit code 3: no model here",
    )
    assert await world.names() == set()


async def test_a_drain_that_failed_is_tried_again(deploy: Deploy) -> None:
    world = deploy()
    await world.send(2)
    await world.tick()
    await world.finish_all()
    world.cloud.faults = {"drain": Unavailable("no answer")}
    await world.tick(4)
    assert world.autoscaler.recent[-1].drained == ()
    assert world.autoscaler.recent[-1].held == ("drain on local: no answer",)

    world.cloud.faults = {}
    await world.tick()
    await world.shrinks_to(0)


async def test_heartbeats_of_instances_that_are_gone_are_forgotten(deploy: Deploy) -> None:
    world = deploy(heartbeat_forget_seconds=60)
    await world.send(2)
    await world.tick()
    await world.finish_all()
    await world.tick(3)
    await world.beat()
    await world.tick()
    await world.shrinks_to(0)
    assert len(await world.heartbeats.all()) == 1

    await world.tick(12)
    assert await world.heartbeats.all() == []


async def test_each_tick_is_one_line_and_a_repeated_one_only_for_debugging(deploy: Deploy) -> None:
    world = deploy()
    await world.send(2)
    with structlog.testing.capture_logs() as logs:
        await world.tick()
    (line,) = logs

    assert line.pop("why")
    assert line == {**line} | {
        "event": "decision",
        "log_level": "info",
        "policy": "queue-ratio",
        "visible": 2,
        "in_flight": 0,
        "delayed": 0,
        "pending": 0,
        "running": 0,
        "draining": 0,
        "failed": 0,
        "wanted": 1,
        "allowed": 1,
        "launches": {"cores": 1},
        "launched": ["app-tier-1"],
        "arrived": 2.0,
        "total": 2.0,
    }
    with structlog.testing.capture_logs() as logs:
        await world.tick(6)
    levels = [line["log_level"] for line in logs]
    assert levels == sorted(levels, reverse=True)
    assert {levels[0], *levels[-3:]} == {"info", "debug"}
    assert len(await world.decisions()) == 1 + levels.count("info")


async def test_it_ticks_and_beats_until_it_is_cancelled(deploy: Deploy) -> None:
    world = deploy(tick_seconds=30)
    running = asyncio.create_task(world.autoscaler.run())

    async def has_just_beaten() -> bool:
        return await world.heartbeats.autoscaler_age_seconds() == 0

    async def has_ticked() -> bool:
        return len(world.autoscaler.recent) == 1

    async def has_ticked_again() -> bool:
        return len(world.autoscaler.recent) == 2

    try:
        await eventually(has_ticked)
        assert await has_just_beaten()
        for _ in range(3):
            assert len(world.autoscaler.recent) < 2
            await asyncio.sleep(0.05)  # what was written is there before its writer goes on, and waits for the clock
            await world.clock.advance(10)
            await eventually(has_just_beaten)
        await eventually(has_ticked_again)
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_r20_a_clock_that_was_set_back_does_not_stop_it(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    world = deploy()
    running = asyncio.create_task(world.autoscaler.run())

    async def has_ticked() -> bool:
        return len(world.autoscaler.recent) == 1

    async def has_ticked_again() -> bool:
        return len(world.autoscaler.recent) == 2

    try:
        await eventually(has_ticked)
        right = world.clock.now
        monkeypatch.setattr(world.clock, "now", lambda: right() - 3600)
        await asyncio.sleep(0.05)
        await world.clock.advance(5)
        await eventually(has_ticked_again)
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_throttled_autoscaler_waits_as_long_as_it_was_asked_to(deploy: Deploy) -> None:
    world = deploy(tick_seconds=5)
    world.queue.fault = Throttled("too many requests", retry_after_seconds=20)
    running = asyncio.create_task(world.autoscaler.run())
    try:
        await asyncio.sleep(0.05)
        for _ in range(3):
            await world.clock.advance(5)
            await asyncio.sleep(0.05)
        assert len(world.autoscaler.recent) == 1
        await world.clock.advance(5)
        await asyncio.sleep(0.05)
        assert len(world.autoscaler.recent) == 2
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_defect_is_logged_counted_and_survived(deploy: Deploy) -> None:
    world = deploy()
    await world.send(2)
    world.queue.fault = ZeroDivisionError("a defect")
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(world.autoscaler.run())
        await asyncio.sleep(0.05)
        world.queue.fault = None
        await world.clock.advance(5)
        await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [(line["event"], line["log_level"]) for line in logs] == [("tick failed", "error"), ("decision", "info")]
    assert world.autoscaler.errors["ZeroDivisionError"] == 1
    assert await world.names() == {"app-tier-1"}


class SlowCloud(MoodyCloud):
    """A cloud that takes its time to launch."""

    began = asyncio.Event()
    go_on = asyncio.Event()

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        self.began.set()
        await self.go_on.wait()
        return await super().launch(pool, names, spec, fleet=fleet, token=token)


async def test_a_launch_under_way_is_finished_before_it_stops(deploy: Deploy) -> None:
    world = deploy()
    slow = SlowCloud(world.folder, world.clock, world.command)
    slow.began, slow.go_on = asyncio.Event(), asyncio.Event()
    world.cloud = slow
    world.autoscaler = world.start_autoscaler()
    await world.send(2)
    running = asyncio.create_task(world.autoscaler.run())
    await slow.began.wait()

    running.cancel()
    await asyncio.sleep(0.05)
    assert not running.done()
    slow.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert await world.names() == {"app-tier-1"}
    assert world.autoscaler.recent[-1].launched == ("app-tier-1",)


def test_a_pool_on_an_unknown_cloud_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="pool mars: there is no cloud 'mars' here"):
        Deployment(tmp_path, pools=(Pool("mars", "mars", cap=1),))
