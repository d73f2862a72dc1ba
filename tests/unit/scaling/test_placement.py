"""Where instances are launched and which ones go."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.clouds.base import Billing, Pool, State
from burstlens.scaling.guardrails import Asked
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, fill_order, place
from support.fleets import NOW, instance, member

CORES = Pool(name="cores", cloud="local", cap=10)
BURST = Pool(name="burst", cloud="ec2", cap=10, order=1)
OPTIONS = ScalingOptions(max_instances=19, drain_grace_seconds=120, busy_drain_seconds=900)


def placed(
    wanted: int,
    *members: Member,
    pools: tuple[Pool, ...] = (CORES,),
    rooms: dict[str, int] | None = None,
    speeds: dict[str, float] | None = None,
) -> Plan:
    free = rooms if rooms is not None else {pool.name: pool.cap for pool in pools}
    return place(wanted, members, pools, free, OPTIONS, now=NOW, speeds=speeds or {})


def drained(plan: Plan) -> list[str]:
    return [removal.instance.name for removal in plan.drains]


def terminated(plan: Plan) -> list[str]:
    return [removal.instance.name for removal in plan.terminations]


def test_what_is_wanted_and_there_needs_no_plan() -> None:
    assert placed(2, member(1), member(2)) == Plan({}, (), ())


def test_names_are_the_lowest_that_nobody_uses() -> None:
    plan = placed(5, member(1), member(3), member(4, Activity.DRAINING))

    assert plan.launches == {"cores": ("app-tier-2", "app-tier-5", "app-tier-6")}


def test_r1_what_boots_is_not_launched_again() -> None:
    assert placed(2, member(1, Activity.BOOTING), member(2, Activity.BOOTING)).launches == {}


def test_r2_a_launch_that_is_not_listed_counts_and_keeps_its_name() -> None:
    ghost = Asked("app-tier-1", "cores", NOW).as_member(NOW, OPTIONS)

    assert placed(2, ghost).launches == {"cores": ("app-tier-2",)}
    assert placed(0, ghost) == Plan({}, (), ()), "what no cloud lists cannot be drained"


def test_r2_whatever_exists_counts_towards_the_cap() -> None:
    gone = [member(n, Activity.DRAINING) for n in range(1, 7)] + [member(n, Activity.FAILED) for n in range(7, 15)]

    plan = placed(19, *gone, rooms={"cores": 100})

    assert sum(map(len, plan.launches.values())) == 5
    assert plan.shortfall == ("cap of 19 leaves room for 5 of 19",)


def test_pools_are_filled_in_their_order() -> None:
    pools = (BURST, CORES)

    assert placed(3, pools=pools).launches == {"cores": ("app-tier-1", "app-tier-2", "app-tier-3")}
    plan = placed(3, pools=pools, rooms={"cores": 1, "burst": 1})
    assert plan.launches == {"cores": ("app-tier-1",), "burst": ("app-tier-2",)}
    assert plan.shortfall == ("no pool has room for 1 more",)


SLOW = Pool(name="slow", cloud="ec2", cap=10, order=1, price_per_hour=0.10)
FAST = Pool(name="fast", cloud="ec2", cap=10, order=1, price_per_hour=0.15)
PRIVATE = Pool(name="private", cloud="openstack", cap=2, price_per_hour=0.50)


@pytest.mark.parametrize(
    ("speeds", "order"),
    [
        ({}, ["private", "slow", "fast"]),
        ({"slow": 0.4, "fast": 0.2, "private": 9.0}, ["private", "fast", "slow"]),
        ({"slow": 0.4, "fast": 0.3}, ["private", "slow", "fast"]),
        ({"private": 9.0}, ["private", "slow", "fast"]),
        ({"fast": 0.2, "private": 0.5}, ["private", "fast", "slow"]),
        ({"fast": 0.2}, ["private", "slow", "fast"]),
    ],
    ids=[
        "by price",
        "by what a request costs",
        "dear and hardly faster",
        "neither was measured",
        "faster than what is usual",
        "only one was measured",
    ],
)
def test_pools_of_one_order_are_filled_by_what_a_request_costs_there(
    speeds: dict[str, float], order: list[str]
) -> None:
    assert [pool.name for pool in fill_order((FAST, SLOW, PRIVATE), speeds)] == order
    assert list(placed(13, pools=(FAST, SLOW, PRIVATE), speeds=speeds).launches) == order[:3]


def test_the_pool_that_is_filled_last_is_emptied_first() -> None:
    fleet = [member(1, pool="private"), member(2, pool="fast"), member(3, pool="slow")]
    pools = (PRIVATE, SLOW, FAST)

    assert drained(placed(2, *fleet, pools=pools)) == ["app-tier-2"]
    assert drained(placed(2, *fleet, pools=pools, speeds={"slow": 0.4, "fast": 0.2})) == ["app-tier-3"]


def test_r4_a_surplus_that_is_busy_stays_in_whatever_pool_it_is() -> None:
    fleet = [member(1, Activity.IDLE), member(2, Activity.BUSY, pool="burst"), member(3, Activity.IDLE, pool="burst")]

    plan = placed(0, *fleet, pools=(CORES, BURST))

    assert drained(plan) == ["app-tier-3", "app-tier-1"]
    assert plan.shortfall == ("1 surplus is busy",)
    assert placed(1, *fleet, pools=(CORES, BURST)).shortfall == (), "two of three may go, and do"


def test_one_that_never_worked_goes_before_one_that_does_nothing_in_a_dearer_pool() -> None:
    fleet = [member(1, Activity.BOOTING), member(2, Activity.IDLE, pool="burst")]

    assert drained(placed(1, *fleet, pools=(CORES, BURST))) == ["app-tier-1"]


def test_of_those_that_boot_the_last_one_launched_goes_first() -> None:
    fleet = [member(1, Activity.BOOTING, age_seconds=10), member(2, Activity.BOOTING, age_seconds=40)]

    assert drained(placed(1, *fleet)) == ["app-tier-1"]


def test_of_idle_ones_the_one_whose_paid_time_is_used_up_goes_first() -> None:
    minute = replace(CORES, billing=Billing(increment_seconds=1, minimum_seconds=60))
    young = [member(1, age_seconds=61), member(2, age_seconds=59), member(3, age_seconds=20)]
    assert drained(placed(1, *young, pools=(minute,))) == ["app-tier-1", "app-tier-2"]

    hourly = replace(CORES, billing=Billing(increment_seconds=3600))
    old = [member(1, age_seconds=3590), member(2, age_seconds=3610), member(3, age_seconds=7000)]
    assert drained(placed(1, *old, pools=(hourly,))) == ["app-tier-1", "app-tier-3"]


@pytest.mark.parametrize(
    ("billing", "age_seconds", "left_seconds"),
    [
        (Billing(1, 60), 0, 60),
        (Billing(1, 60), 45, 15),
        (Billing(1, 60), 61.5, 0),
        (Billing(3600, 0), 0, 3600),
        (Billing(3600, 0), 10, 3590),
        (Billing(3600, 0), 3601, 3599),
        (Billing(60, 600), 30, 570),
        (Billing(60, 600), 630, 30),
        (Billing(1, 60), -5, 60),
    ],
)
def test_what_is_paid_for_is_the_minimum_and_then_the_increment_begun(
    billing: Billing, age_seconds: float, left_seconds: float
) -> None:
    assert billing.paid_seconds_left(age_seconds, 5.0) == left_seconds


def test_without_the_time_the_newest_of_equal_ones_goes_first() -> None:
    minute = replace(CORES, billing=Billing(minimum_seconds=60))

    plan = place(1, [member(1, age_seconds=61), member(2, age_seconds=20)], [minute], {}, OPTIONS)
    assert drained(plan) == ["app-tier-2"]


def test_a_pool_that_is_no_longer_in_the_settings_is_emptied_first() -> None:
    assert drained(placed(1, member(1, pool="old"), member(2))) == ["app-tier-1"]


def test_r4_nobody_is_killed_for_being_surplus_and_no_busy_one_is_drained() -> None:
    fleet = [member(n, Activity.BUSY) for n in (1, 5)]
    fleet += [member(2, Activity.IDLE), member(3, Activity.BOOTING), member(4, Activity.IDLE)]

    plan = placed(0, *fleet)

    assert drained(plan) == ["app-tier-3", "app-tier-4", "app-tier-2"]
    assert plan.reasons == (
        "app-tier-3: surplus and booting",
        "app-tier-4: surplus and idle",
        "app-tier-2: surplus and idle",
        "2 surplus are busy",
    )
    assert terminated(plan) == []


def test_r2_a_fleet_that_is_busy_all_the_time_keeps_a_cap_that_was_lowered() -> None:
    fleet = [member(n, Activity.BUSY) for n in range(1, 22)] + [member(22, Activity.IDLE)]

    plan = placed(19, *fleet)

    assert drained(plan) == ["app-tier-22", "app-tier-21", "app-tier-20"], "the idle one first"
    assert terminated(plan) == []
    assert placed(10, *fleet).shortfall == ("9 surplus are busy",), "below the cap they stay"


def test_r5_a_booting_instance_is_left_alone() -> None:
    assert placed(1, member(1, Activity.BOOTING)) == Plan({}, (), ())


def test_failed_and_silent_ones_are_terminated_and_replaced() -> None:
    failed = replace(member(1, Activity.FAILED), instance=instance(1, State.FAILED, fault="NoValidHost"))

    plan = placed(2, failed, member(2, Activity.SILENT))

    assert terminated(plan) == ["app-tier-1", "app-tier-2"]
    assert plan.launches == {"cores": ("app-tier-3", "app-tier-4")}
    assert plan.reasons == ("app-tier-1: failed: NoValidHost", "app-tier-2: no heartbeat for 120 s")


def test_r4_draining_ones_get_their_grace_and_busy_ones_a_longer_one() -> None:
    def draining(number: int, seconds: float) -> Member:
        return replace(member(number, Activity.DRAINING), draining_seconds=seconds)

    fleet = [draining(1, 119), draining(2, 121), replace(draining(3, 121), holding=True)]
    assert terminated(placed(0, *fleet)) == ["app-tier-2"]
    assert terminated(placed(0, replace(draining(4, 901), holding=True))) == ["app-tier-4"]


MEMBERS = st.lists(st.tuples(st.sampled_from(Activity), st.sampled_from(["cores", "burst"])), max_size=25).map(
    lambda kinds: [member(n, activity, pool=pool) for n, (activity, pool) in enumerate(kinds, start=1)]
)
ROOMS = st.fixed_dictionaries({"cores": st.integers(0, 30), "burst": st.integers(0, 30)})


@given(st.integers(0, 30), MEMBERS, ROOMS)
def test_a_plan_is_sound_whatever_the_fleet(wanted: int, fleet: list[Member], rooms: dict[str, int]) -> None:
    plan = place(wanted, fleet, (CORES, BURST), rooms, OPTIONS, now=NOW)
    launched = [name for names in plan.launches.values() for name in names]
    capacity = [m for m in fleet if m.is_capacity]

    assert len(fleet) + len(launched) <= max(OPTIONS.max_instances, len(fleet)), "R2: never above the cap"
    assert len(set(launched)) == len(launched)
    assert not set(launched) & {m.instance.name for m in fleet}
    assert all(len(names) <= rooms[pool] for pool, names in plan.launches.items())
    assert not (launched and plan.drains), "never both ways at once"
    assert len(capacity) + len(launched) - len(plan.drains) <= max(wanted, len(capacity))
    expendable = {m.instance.id for m in capacity if m.activity is not Activity.BUSY}
    above_cap = len(capacity) - OPTIONS.max_instances
    assert len(plan.drains) == min(max(0, len(capacity) - wanted), max(above_cap, len(expendable)))
    if above_cap <= len(expendable):
        assert {r.instance.id for r in plan.drains} <= expendable, "R4: never a busy one"
    assert not {r.instance.id for r in plan.terminations} & {m.instance.id for m in capacity}
