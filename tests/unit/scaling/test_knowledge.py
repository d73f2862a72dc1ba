"""What the autoscaler remembers from tick to tick, and what policies get to see of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from burstlens.clouds.base import Billing, Instance, Pool
from burstlens.messages import Heartbeat, WorkerState, utc
from burstlens.queues.base import Depth
from burstlens.scaling.guardrails import Asked
from burstlens.scaling.knowledge import Knowledge, cohorts
from burstlens.scaling.members import Activity, Member, muster
from burstlens.scaling.observation import Cohort, Observation
from burstlens.scaling.observer import Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.traffic import Wave
from support.fleets import NOW, instance, member

MINUTE = Billing(increment_seconds=1, minimum_seconds=60)
OWN = Pool(name="own", cloud="openstack", cap=4)
SLOW = Pool(name="slow", cloud="ec2", cap=10, order=1, price_per_hour=0.10, billing=MINUTE)
FAST = Pool(name="fast", cloud="ec2", cap=10, order=1, price_per_hour=0.15, billing=MINUTE)
OPTIONS = ScalingOptions(window=3, scale_in_seconds=10, boot_seconds=45, service_seconds=0.5, depth_stale_seconds=20)


def launched(number: int, at: float = 0.0, *, pool: str = "own") -> Instance:
    """At seconds since NOW."""
    return replace(instance(number, pool=pool), launched_at=NOW + at)


def beat(number: int, at: float, *, done: int = 0, started_at: float = 30.0, seconds: float | None = None) -> Heartbeat:
    """Times are seconds since NOW."""
    return Heartbeat(
        worker=f"i{number}-1",
        instance=f"app-tier-{number}",
        state=WorkerState.BUSY,
        started_at=utc(NOW + started_at),
        sent_at=utc(NOW + at),
        done=done,
        held=1,
        service_seconds=seconds,
    )


class Watch:
    """One autoscaler's eyes over several ticks; times are seconds since NOW."""

    def __init__(self, *pools: Pool, **options: object) -> None:
        self.options = OPTIONS.model_copy(update=options)
        self.knowledge = Knowledge(pools or (OWN,), self.options)

    def see(
        self,
        at: float,
        depth: int | None,
        beats: Sequence[Heartbeat] | None = (),
        fleet: Sequence[Instance] | None = (),
        *,
        asked: Sequence[Member] = (),
        in_flight: int = 0,
        rooms: Mapping[str, int] | None = None,
    ) -> Observation:
        now = NOW + at
        count = None if depth is None else Depth(visible=depth - in_flight, in_flight=in_flight, delayed=0)
        homes = None if fleet is None else {each.id: (each, "local") for each in fleet}
        sight = Sight(now, count, homes, beats)
        members = muster(sight.instances, beats, {}, now, self.options)
        return self.knowledge.observe(sight, [*members, *asked], rooms or {}, now)


def test_r20_it_starts_empty_and_takes_what_the_settings_say() -> None:
    seen = Watch(OWN, SLOW).see(0, 8, in_flight=3, rooms={"own": 4, "slow": 2})

    assert (seen.depth, seen.in_flight, seen.window, seen.at) == (8, 3, (8,), NOW)
    assert (seen.traffic.total, seen.traffic.backlog) == (8, (Wave(NOW, 8),))
    own, slow = seen.prospects
    assert (own.name, own.boot_seconds, own.service_seconds, own.room) == ("own", 45, 0.5, 4)
    assert (slow.name, slow.price_per_hour, slow.billing, slow.room) == ("slow", 0.10, MINUTE, 2)


def test_r1_what_boots_is_seen_whether_listed_or_only_asked_for() -> None:
    asked = Asked("app-tier-2", "own", NOW - 7).as_member(NOW, OPTIONS)

    seen = Watch().see(0, 9, [beat(3, 0, started_at=-70)], [launched(1, -7), launched(3, -100)], asked=[asked])

    assert (seen.pending, seen.running, seen.busy) == (2, 1, 1)
    assert seen.cohorts == (Cohort("own", 1, 100, False), Cohort("own", 2, 7, True))


def test_r7_a_tick_whose_depth_is_unknown_is_no_sample() -> None:
    watch = Watch()
    watch.see(0, 5)
    unknown = watch.see(5, None)

    assert (unknown.window, unknown.depth, unknown.traffic.at) == ((5,), 5, NOW)
    assert watch.see(10, 7).window == (5, 7)
    assert watch.see(15, 7).traffic.seconds == 5


def test_the_window_keeps_as_many_samples_as_the_settings_say() -> None:
    watch = Watch()
    for number in range(5):
        seen = watch.see(5.0 * number, number)

    assert seen.window == (2, 3, 4)


def test_arrivals_are_what_was_done_and_what_waits() -> None:
    watch = Watch()
    fleet = [launched(1, -60)]
    watch.see(0, 10, [beat(1, 0, done=500, started_at=-30)], fleet)
    seen = watch.see(5, 12, [beat(1, 5, done=506, started_at=-30)], fleet)

    assert (seen.traffic.arrived, seen.traffic.total) == (8, 18)


def test_r20_after_a_restart_old_work_is_no_arrival() -> None:
    old = [beat(1, 0, done=500, started_at=-30)]
    before, after = Watch(), Watch()
    before.see(-5, 10, [], [launched(1, -60)])
    before.see(0, 10, old, [launched(1, -60)])

    after.see(0, 10, None, [launched(1, -60)])
    seen = after.see(5, 10, old, [launched(1, -60)])

    assert (seen.traffic.total, seen.traffic.arrived) == (10, 0)


def test_requests_that_vanished_do_not_hide_those_that_come() -> None:
    watch = Watch()
    watch.see(0, 1000)
    for tick in range(1, 7):
        watch.see(5.0 * tick, 0)
    seen = watch.see(35, 40)

    assert (seen.traffic.arrived, seen.traffic.backlog) == (40, (Wave(NOW + 35, 40),))


def test_boots_are_measured_from_the_launch_to_the_first_heartbeat_once_for_each_instance() -> None:
    watch = Watch()
    fleet = [launched(1), launched(2)]
    (own,) = watch.see(5, 9, [], fleet).prospects
    assert (own.boot_seconds, own.slow_boot_seconds) == (45, 0), "assumed"
    (own,) = watch.see(30, 9, [beat(1, 30, started_at=29)], fleet).prospects
    assert [own.boot_seconds, own.slow_boot_seconds] == pytest.approx([29, 29 * 4 / 3])

    for at in range(35, 60, 5):
        watch.see(at, 9, [beat(1, at, started_at=29)], fleet)
    beats = [beat(1, 60, started_at=29), beat(2, 60, started_at=55)]
    (own,) = watch.see(60, 9, beats, fleet).prospects
    assert [own.boot_seconds, own.slow_boot_seconds] == pytest.approx([42, 55 * 7 / 6]), "of two boots, not of seven"


def test_an_instance_that_is_not_heard_for_a_moment_does_not_boot_again() -> None:
    watch = Watch()
    quick, slow = [launched(1)], [launched(2), launched(3)]
    beats = [beat(1, 80, started_at=20), beat(2, 80, started_at=70), beat(3, 80, started_at=70)]
    watch.see(80, 9, beats, [*quick, *slow])
    for at in range(85, 200, 20):
        watch.see(at, 9, None, quick)
        watch.see(at + 5, 9, [], quick)
        beats = [beat(1, at + 10, started_at=20)]
        (own,) = watch.see(at + 10, 9, beats, quick).prospects

    assert own.boot_seconds == 70, "of three boots, not of many"


def test_the_speed_of_each_pool_is_what_its_workers_tell_until_results_show_it() -> None:
    watch = Watch(OWN, SLOW)
    fleet = [launched(1, -60), launched(2, -60, pool="slow")]
    for tick in range(6):
        at = 5.0 * tick
        beats = [
            beat(1, at, done=10 * tick, started_at=-30, seconds=0.4),
            beat(2, at, done=2 * tick, started_at=-30, seconds=2.0),
        ]
        watch.see(at, 900, beats, fleet)
        if tick == 4:
            assert watch.knowledge.speeds == {"own": 0.4, "slow": 2.0}, "four laps are too few"

    assert watch.knowledge.speeds == {"own": 0.5, "slow": 2.0}
    assert [each.service_seconds for each in watch.see(30, 900, beats, fleet).prospects] == [0.5, 2.0]


def test_a_queue_that_nobody_could_count_proves_no_speed() -> None:
    watch = Watch()
    for tick in range(9):
        at = 5.0 * tick
        watch.see(
            at,
            900 if tick % 2 else None,
            [beat(1, at, done=10 * tick, started_at=-30, seconds=0.4)],
            [launched(1, -60)],
        )

    assert watch.knowledge.speeds == {"own": 0.4}


def test_pools_are_shown_in_the_order_in_which_they_are_filled() -> None:
    watch = Watch(FAST, SLOW, OWN)
    assert [each.name for each in watch.see(0, 9).prospects] == ["own", "slow", "fast"]

    fleet = [launched(1, -60, pool="fast"), launched(2, -60, pool="slow")]
    beats = [beat(1, 5, started_at=-30, seconds=0.2), beat(2, 5, started_at=-30, seconds=0.8)]
    own, fast, slow = watch.see(5, 9, beats, fleet).prospects

    assert (own.name, fast.name, slow.name) == ("own", "fast", "slow")
    assert own.service_seconds == 0.5, "not measured, so as fast as a typical one of the others"


def test_the_room_of_a_pool_is_that_of_this_tick() -> None:
    watch = Watch()
    rooms = {"own": 4}
    watch.see(0, 9, rooms=rooms)
    rooms["own"] = 1

    assert [each.room for each in watch.see(5, 9, rooms=rooms).prospects] == [1]


def test_a_sight_without_the_fleet_still_is_a_sample_of_the_queue() -> None:
    watch = Watch()
    watch.see(0, 5, [beat(1, 0, done=7, started_at=-30)])

    seen = watch.see(5, 6, [beat(1, 5, done=9, started_at=-30)], None)

    assert (seen.window, seen.instances, seen.cohorts) == ((5, 6), 0, ())
    assert seen.traffic.arrived == 3


@pytest.mark.parametrize("state", [Activity.DRAINING, Activity.FAILED, Activity.SILENT])
def test_what_is_no_capacity_is_in_no_cohort(state: Activity) -> None:
    assert cohorts([member(1, state)], [OWN], 5, NOW) == ()


def test_of_ten_thousand_instances_few_cohorts_are_left() -> None:
    hourly = replace(SLOW, billing=Billing(increment_seconds=3600))
    old = [member(n, pool=pool, age_seconds=60.0 + n) for n in range(5000) for pool in ("fast", "own")]

    found = cohorts([*old, member(9999, pool="slow", age_seconds=4000.5)], [OWN, FAST, hourly], 5, NOW)

    assert sum(cohort.count for cohort in found) == 10_001
    assert found[0] == Cohort("slow", 1, 4000, False), "an hour's increments need the age"
    assert {(cohort.pool, cohort.count) for cohort in found if cohort.age_seconds == 600} == {
        ("fast", 4460),
        ("own", 4460),
    }
    assert len(found) == 2 * 541 + 1


def test_old_ones_keep_their_age_until_their_minimum_is_paid() -> None:
    long = replace(FAST, billing=Billing(increment_seconds=1, minimum_seconds=3600))

    found = cohorts([member(n, pool="fast", age_seconds=age) for n, age in enumerate((1800, 5000))], [long], 5, NOW)

    assert [cohort.age_seconds for cohort in found] == [3600, 1800]
