"""How far a policy's wish is followed."""

import pytest

from burstlens.scaling.budget import Allowance
from burstlens.scaling.limits import Guarded, bounded, frugal, guard, rationed, without_standby
from burstlens.scaling.members import Activity
from burstlens.scaling.observation import Cohort, Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, Removal
from burstlens.scaling.policy.queue_ratio import QueueRatio
from support.fleets import instance, member

ENDLESS = Allowance(60)


@pytest.mark.parametrize(
    ("wanted", "standby", "least", "most", "count"),
    [(3, 0, 0, 19, 3), (3, 2, 0, 19, 5), (18, 2, 0, 19, 19), (0, 2, 0, 19, 2), (0, 0, 1, 19, 1), (99, 0, 0, 19, 19)],
)
def test_every_policy_is_kept_within_the_bounds(wanted: int, standby: int, least: int, most: int, count: int) -> None:
    assert bounded(wanted, ScalingOptions(standby=standby, min_instances=least, max_instances=most)) == count


def test_a_change_is_said() -> None:
    options = ScalingOptions(standby=2, max_instances=4)
    assert guard(3, 10, 0, 0, ENDLESS, options) == Guarded(4, ("standby of 2, max_instances of 4 make it 4",))
    assert guard(3, 10, 0, 0, ENDLESS, ScalingOptions()) == Guarded(3)


def test_r7_an_unknown_depth_holds_the_fleet() -> None:
    assert guard(None, None, 2, 7, ENDLESS, ScalingOptions(max_instances=5)) == Guarded(7)


def test_r1_scale_in_waits_for_those_that_boot_and_says_so() -> None:
    assert guard(1, 6, 3, 3, ENDLESS, ScalingOptions()) == Guarded(3, ("scale-in waits for 3 that boot",))


@pytest.mark.parametrize("wanted", [None, 1, 5])
def test_r16_the_budget_has_the_last_word(wanted: int | None) -> None:
    poor = Allowance(60, -1.0, {}, keep=1, why="budget_per_hour of 1 is used up")
    assert guard(wanted, 10, 2, 3, poor, ScalingOptions()).count == 1


def test_standby_instances_are_not_shown_to_the_policy() -> None:
    seen = Observation(
        0,
        (0,),
        pending=2,
        running=3,
        busy=3,
        cohorts=(
            Cohort("a", 2, 900, booting=False),
            Cohort("b", 1, 60, booting=False),
            Cohort("b", 2, 5, booting=True),
        ),
    )
    shown = without_standby(seen, 4)

    assert (shown.running, shown.pending, shown.busy) == (0, 1, 0)
    assert shown.cohorts == (Cohort("b", 1, 5, booting=True),)
    assert without_standby(seen, 2).cohorts == seen.cohorts[1:]
    assert without_standby(seen, 0) is seen


def test_r19_a_policy_that_wants_what_is_there_does_not_climb_with_the_standby() -> None:
    options = ScalingOptions(standby=2, window=1000)
    policy = QueueRatio.from_options(options)
    instances = 0
    for depth in [6, *[0] * 50]:
        wanted = policy.desired(without_standby(Observation(depth, (depth,), running=instances), options.standby))
        instances = guard(wanted, depth, 0, instances, ENDLESS, options).count
    assert instances == 5


NAMES = tuple(f"app-tier-{number}" for number in range(1, 9))


def plan(*drains: Removal) -> Plan:
    return Plan({"own": NAMES[:3], "public": NAMES[3:]}, drains, ())


def test_launches_are_cut_to_the_rate_and_it_is_said() -> None:
    cut = rationed(plan(), Allowance(5), ScalingOptions(launches_per_minute=5))

    assert cut.launches == {"own": NAMES[:3], "public": NAMES[3:5]}
    assert cut.shortfall == ("launches_per_minute is 5: 5 of 8 are launched",)
    assert rationed(plan(), ENDLESS, ScalingOptions()) == plan()


def test_r16_launches_are_cut_to_the_money_and_it_is_said() -> None:
    cut = rationed(
        plan(), Allowance(60, 1.0, {"public": 0.3}, None, "budget_per_day of 9 is used up"), ScalingOptions()
    )

    assert cut.launches == {"own": NAMES[:3], "public": NAMES[3:6]}
    assert cut.shortfall == ("budget_per_day of 9 is used up: 6 of 8 are launched",)


def test_r4_r16_what_cannot_be_paid_for_is_drained_also_when_it_is_busy_and_free_ones_stay() -> None:
    """Idle ones are in the plan already; nobody is terminated."""
    fleet = [
        member(1, Activity.BUSY, pool="own"),
        member(2, Activity.BUSY, pool="cheap"),
        member(3, Activity.BUSY, pool="dear"),
        member(4, Activity.IDLE, pool="dear"),
    ]
    prices = {"own": 0.0, "cheap": 0.1, "dear": 0.2}
    idle = Removal(instance(4), "surplus and idle")
    by_placement = Plan({}, (idle,), ())

    assert frugal(by_placement, fleet, prices, ENDLESS) == by_placement
    drained = frugal(by_placement, fleet, prices, Allowance(60, keep=2)).drains
    assert [removal.instance.name for removal in drained] == ["app-tier-4", "app-tier-3"]
    everybody = frugal(by_placement, fleet, prices, Allowance(60, keep=0))
    assert [removal.instance.name for removal in everybody.drains] == ["app-tier-4", "app-tier-3", "app-tier-2"]
    assert not everybody.terminations
