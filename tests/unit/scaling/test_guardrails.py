"""What closes a pool, for how long, and what counts although nobody lists it."""

import pytest

from burstlens.clouds.base import Pool, State
from burstlens.errors import (
    BurstlensError,
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from burstlens.scaling.guardrails import Asked, PoolHealth, after_boots, patient, refused, room, still_unlisted
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.options import ScalingOptions
from support.fleets import NOW, instance, member

POOL = Pool(name="cores", cloud="local", cap=5)
OPTIONS = ScalingOptions(
    capacity_cooldown_seconds=60, quota_cooldown_seconds=600, failed_boots=3, failed_boots_cooldown_seconds=300
)


@pytest.mark.parametrize(
    ("error", "closed_seconds"),
    [
        (Throttled("slow down", retry_after_seconds=7), 7),
        (CapacityUnavailable("no host"), 60),
        (QuotaExceeded("10 of 10 vCPUs"), 600),
        (NotAuthorized("RunInstances is denied"), 300),
        (Misconfigured("there is no such image"), 300),
    ],
)
def test_r11_r12_each_refusal_closes_a_pool_in_its_own_way(error: BurstlensError, closed_seconds: float) -> None:
    health = refused(PoolHealth(), error, NOW, OPTIONS)

    assert health.is_closed(NOW + closed_seconds - 1)
    assert not health.is_closed(NOW + closed_seconds)
    assert health.why == str(error)
    assert room(POOL, health, [], NOW, OPTIONS) == 0
    assert room(POOL, health, [], NOW + closed_seconds, OPTIONS) == 5


def test_a_pool_whose_cloud_did_not_answer_is_closed_until_the_next_tick() -> None:
    health = refused(PoolHealth(), Unavailable("no answer"), NOW, OPTIONS)

    assert health.is_closed(NOW)
    assert not health.is_closed(NOW + OPTIONS.tick_seconds)


def test_whatever_exists_in_a_pool_takes_its_place() -> None:
    fleet = [member(1), member(2, Activity.DRAINING), member(3, Activity.FAILED), member(4, pool="other")]

    assert room(POOL, PoolHealth(), fleet, NOW, OPTIONS) == 2
    assert room(POOL, PoolHealth(), [member(n) for n in range(9)], NOW, OPTIONS) == 0


def broken(number: int) -> Member:
    return member(number, Activity.SILENT, age_seconds=130)


def test_r13_three_in_a_row_without_a_heartbeat_close_a_pool_and_say_so() -> None:
    health = after_boots(PoolHealth(), [broken(1), broken(2)], NOW, OPTIONS)
    assert not health.is_closed(NOW)

    failed = Member(instance(3, State.FAILED, fault="exit code 3"), Activity.FAILED)
    health = after_boots(health, [failed], NOW, OPTIONS)

    assert health.is_closed(NOW + 299)
    assert health.why == "3 instances in a row ended without a heartbeat: exit code 3"


def test_the_same_dead_instance_is_counted_once() -> None:
    health = PoolHealth()
    for _ in range(5):
        health = after_boots(health, [broken(1), broken(2)], NOW, OPTIONS)

    assert len(health.failed_boots) == 2
    assert not health.is_closed(NOW)


def test_a_closed_pool_that_opens_again_gets_one_instance_to_prove_itself() -> None:
    health = after_boots(PoolHealth(), [broken(1), broken(2), broken(3)], NOW, OPTIONS)
    later = NOW + 300

    assert room(POOL, health, [], later, OPTIONS) == 1
    assert room(POOL, health, [member(4, Activity.BOOTING)], later, OPTIONS) == 0
    assert after_boots(health, [broken(4)], later, OPTIONS).is_closed(later)


def test_an_instance_that_beats_ends_the_row() -> None:
    health = after_boots(PoolHealth(), [broken(1), broken(2), broken(3)], NOW, OPTIONS)
    proof = Member(instance(4, age_seconds=10), Activity.IDLE, has_beaten=True)
    older = Member(instance(5, age_seconds=9999), Activity.IDLE, has_beaten=True)

    assert after_boots(health, [older], NOW, OPTIONS).failed_boots
    assert not after_boots(health, [older, proof], NOW, OPTIONS).failed_boots


@pytest.mark.parametrize(
    ("wanted", "depth", "pending", "capacity", "guarded"),
    [(1, 6, 3, 3, 3), (1, 6, 1, 3, 3), (1, 6, 0, 3, 1), (0, 0, 3, 3, 0), (9, 18, 3, 3, 9)],
    ids=["all boot", "one boots", "nobody boots", "nothing to do", "more are wanted"],
)
def test_r1_scale_in_waits_for_those_that_boot_while_there_is_work(
    wanted: int, depth: int, pending: int, capacity: int, guarded: int
) -> None:
    assert patient(wanted, depth, pending, capacity) == guarded


def test_r1_r2_a_launch_counts_until_it_is_listed_or_its_grace_is_over() -> None:
    asked = (Asked("app-tier-1", "cores", NOW), Asked("app-tier-2", "cores", NOW))

    assert still_unlisted(asked, [instance(1)], (), NOW + 30, OPTIONS) == (asked[1],)
    assert still_unlisted(asked, [], (), NOW + 31, OPTIONS) == ()
    ghost = asked[0].as_member(NOW + 30, OPTIONS)
    assert ghost.is_capacity
    assert not ghost.listed


def test_r2_what_a_blind_cloud_may_have_launched_keeps_its_place_under_the_cap_and_is_no_capacity() -> None:
    asked = (Asked("app-tier-1", "cores", NOW),)

    assert still_unlisted(asked, [], {"cores"}, NOW + 3600, OPTIONS) == asked
    ghost = asked[0].as_member(NOW + 31, OPTIONS)
    assert not ghost.is_capacity
    assert not ghost.listed
