"""What is known of an instance from its cloud and its heartbeats."""

from collections.abc import Sequence

import pytest

from burstlens.clouds.base import Instance, State
from burstlens.messages import Heartbeat, WorkerState
from burstlens.scaling.members import Activity, Member, muster
from burstlens.scaling.options import ScalingOptions
from support.fleets import NOW, heartbeat, instance

OPTIONS = ScalingOptions(boot_allowance_seconds=120, heartbeat_stale_seconds=15)


def the_member(one: Instance, *beats: Heartbeat, draining_for_seconds: float | None = None) -> Member:
    return known(one, beats, draining_for_seconds)


def known(one: Instance, beats: Sequence[Heartbeat] | None, draining_for_seconds: float | None = None) -> Member:
    since = {} if draining_for_seconds is None else {one.id: NOW - draining_for_seconds}
    (member,) = muster([one], beats, since, NOW, OPTIONS)
    return member


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_r5_an_instance_within_its_boot_allowance_boots(state: State) -> None:
    member = the_member(instance(1, state, age_seconds=119))

    assert member.activity is Activity.BOOTING
    assert member.is_capacity


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
def test_an_instance_that_never_beat_within_its_boot_allowance_is_silent(state: State) -> None:
    member = the_member(instance(1, state, age_seconds=121))

    assert member.activity is Activity.SILENT
    assert not member.is_capacity


@pytest.mark.parametrize(
    ("beats", "activity"),
    [
        ([heartbeat(1)], Activity.IDLE),
        ([heartbeat(1, WorkerState.STARTING)], Activity.IDLE),
        ([heartbeat(1, WorkerState.BUSY, held=1)], Activity.BUSY),
        ([heartbeat(1, held=2)], Activity.BUSY),
        ([heartbeat(1, process=1), heartbeat(1, WorkerState.BUSY, process=2)], Activity.BUSY),
        ([heartbeat(1, age_seconds=30)], Activity.BUSY),
        ([heartbeat(1, WorkerState.BUSY, age_seconds=30, process=1), heartbeat(1, process=2)], Activity.IDLE),
        ([heartbeat(1, WorkerState.DRAINING, held=1)], Activity.DRAINING),
        ([heartbeat(1, WorkerState.DRAINING, process=1), heartbeat(1, process=2)], Activity.IDLE),
        ([heartbeat(1, age_seconds=121)], Activity.SILENT),
    ],
    ids=[
        "says it is idle",
        "loads its model",
        "says it is busy",
        "holds requests",
        "one of two workers is busy",
        "did not say lately: unknown is not idle",
        "a dead worker's last word does not count beside a living one's",
        "drains by itself",
        "one of two workers drains",
        "stopped beating",
    ],
)
def test_activity_is_what_the_heartbeats_say(beats: list[Heartbeat], activity: Activity) -> None:
    assert the_member(instance(1, age_seconds=600), *beats).activity is activity


def test_heartbeats_of_others_and_of_an_earlier_bearer_of_the_name_do_not_count() -> None:
    member = the_member(instance(1, age_seconds=10), heartbeat(2), heartbeat(1, WorkerState.BUSY, age_seconds=11))

    assert member.activity is Activity.BOOTING
    assert not member.has_beaten


def test_what_was_said_lately_is_kept_oldest_first_whether_by_name_or_by_id() -> None:
    by_id = heartbeat(1, age_seconds=2, process=2).model_copy(update={"instance": "i1"})
    last, first, stale = (heartbeat(1, age_seconds=age, process=age) for age in (1, 3, 16))

    member = the_member(instance(1), last, stale, first, by_id)

    assert member.fresh == (first, by_id, last)
    assert the_member(instance(2), last, stale, first, by_id).fresh == ()


def test_what_the_cloud_says_of_failed_and_draining_ones_stands() -> None:
    assert the_member(instance(1, State.FAILED), heartbeat(1)).activity is Activity.FAILED

    draining = the_member(instance(1, State.DRAINING), heartbeat(1, WorkerState.BUSY), draining_for_seconds=30)
    assert draining.activity is Activity.DRAINING
    assert draining.draining_seconds == 30
    assert draining.holding


def test_draining_is_counted_from_when_it_was_first_seen() -> None:
    assert the_member(instance(1, State.DRAINING)).draining_seconds == 0


def test_r7_without_heartbeats_nobody_is_silent_and_everybody_may_be_busy() -> None:
    old = known(instance(1, age_seconds=9999), None)
    draining = known(instance(2, State.DRAINING), None)
    pending = known(instance(3, State.PENDING), None)

    assert (old.activity, draining.activity, pending.activity) == (
        Activity.BUSY,
        Activity.DRAINING,
        Activity.BOOTING,
    )
    assert old.holding
    assert draining.holding
