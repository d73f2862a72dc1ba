"""What was done a moment ago, and the API does not show yet."""

from dataclasses import replace

import pytest

from burstlens.clock import ManualClock
from burstlens.clouds.base import Instance, State
from burstlens.clouds.ec2.recent import RECENT_SECONDS, Recent

pytestmark = pytest.mark.anyio

FLEET = "fleet-a"
YOUNG = Instance("i-0123456789abcdef0", "app-tier-1", "burst", State.PENDING, 1_700_000_000.0)
OTHER = replace(YOUNG, id="i-0123456789abcdef1", name="app-tier-2", state=State.RUNNING)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recent(clock: ManualClock) -> Recent:
    recent = Recent(clock)
    recent.note_birth(YOUNG, FLEET, "call-1")
    return recent


def seen(instance: Instance, state: State, fault: str = "") -> Instance:
    return replace(instance, state=state, fault=fault)


def test_r1_a_birth_counts_before_it_is_listed(recent: Recent) -> None:
    assert recent.corrected(FLEET, [OTHER]) == [OTHER, YOUNG]
    assert recent.corrected("fleet-b", []) == []


def test_once_it_is_listed_the_list_is_right(recent: Recent) -> None:
    running = seen(YOUNG, State.RUNNING)

    assert recent.corrected(FLEET, [running]) == [running]


def test_r2_one_that_a_lagging_answer_leaves_out_again_still_counts(recent: Recent) -> None:
    recent.corrected(FLEET, [seen(YOUNG, State.RUNNING)])

    assert [instance.id for instance in recent.corrected(FLEET, [])] == [YOUNG.id]


async def test_a_birth_that_is_never_listed_is_forgotten_in_the_end(recent: Recent, clock: ManualClock) -> None:
    await clock.advance(RECENT_SECONDS - 1)
    assert recent.corrected(FLEET, []) == [YOUNG]
    assert recent.knows(YOUNG.id)

    await clock.advance(1)
    assert recent.corrected(FLEET, []) == []
    assert not recent.knows(YOUNG.id)
    assert recent.of_launch(FLEET, "call-1") == []


def test_one_that_was_listed_as_terminated_does_not_come_back(recent: Recent) -> None:
    assert recent.corrected(FLEET, [seen(YOUNG, State.TERMINATED)]) == []
    assert recent.corrected(FLEET, []) == []


def test_r4_whoever_was_asked_to_end_drains_although_the_list_does_not_say_so_yet(recent: Recent) -> None:
    recent.note_ending([YOUNG.id, OTHER.id])

    assert {i.id: i.state for i in recent.corrected(FLEET, [OTHER])} == {
        OTHER.id: State.DRAINING,
        YOUNG.id: State.DRAINING,
    }


def test_asking_a_failed_one_to_end_does_not_hide_that_it_failed(recent: Recent) -> None:
    recent.note_ending([OTHER.id])
    stopped = seen(OTHER, State.FAILED, "it is stopped")

    assert stopped in recent.corrected(FLEET, [stopped])


def test_r13_one_that_ec2_ended_at_its_launch_has_failed_until_it_is_removed(recent: Recent) -> None:
    stillborn = seen(YOUNG, State.TERMINATED, "EC2 ended it at its launch: no key")
    assert recent.corrected(FLEET, [stillborn]) == [seen(YOUNG, State.FAILED, stillborn.fault)]

    recent.note_ending([YOUNG.id])
    assert recent.corrected(FLEET, [stillborn]) == []


def test_r13_failures_of_another_process_are_history(recent: Recent) -> None:
    assert recent.corrected(FLEET, [seen(OTHER, State.TERMINATED, "EC2 ended it at its launch: no key")]) == [YOUNG]


def test_a_launch_is_known_by_its_fleet_and_token(recent: Recent) -> None:
    assert recent.of_launch(FLEET, "call-1") == [YOUNG]
    assert recent.of_launch(FLEET, "call-2") == recent.of_launch("fleet-b", "call-1") == []
