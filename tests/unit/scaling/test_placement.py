"""Where instances are launched and which ones go."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from burstlens.clouds.base import Pool, State
from burstlens.scaling.guardrails import Asked
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, place
from support.fleets import NOW, instance, member

CORES = Pool(name="cores", cloud="local", cap=10)
BURST = Pool(name="burst", cloud="ec2", cap=10, order=1)
OPTIONS = ScalingOptions(max_instances=19, drain_grace_seconds=120, busy_drain_seconds=900)


def placed(
    wanted: int, *members: Member, pools: tuple[Pool, ...] = (CORES,), rooms: dict[str, int] | None = None
) -> Plan:
    free = rooms if rooms is not None else {pool.name: pool.cap for pool in pools}
    return place(wanted, members, pools, free, OPTIONS)


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


def test_the_last_pool_is_emptied_first_even_of_busy_ones() -> None:
    fleet = [member(1, Activity.IDLE), member(2, Activity.BUSY, pool="burst"), member(3, Activity.IDLE, pool="burst")]

    assert drained(placed(1, *fleet, pools=(CORES, BURST))) == ["app-tier-3", "app-tier-2"]


def test_a_pool_that_is_no_longer_in_the_settings_is_emptied_first() -> None:
    assert drained(placed(1, member(1, pool="old"), member(2))) == ["app-tier-1"]


def test_r4_busy_ones_are_drained_last_and_nobody_is_killed_for_being_surplus() -> None:
    fleet = [member(1, Activity.BUSY), member(2, Activity.IDLE), member(3, Activity.BOOTING), member(4, Activity.IDLE)]

    plan = placed(0, *fleet)

    assert drained(plan) == ["app-tier-3", "app-tier-4", "app-tier-2", "app-tier-1"]
    assert plan.drains[0].why == "surplus and booting"
    assert terminated(plan) == []


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
    plan = place(wanted, fleet, (CORES, BURST), rooms, OPTIONS)
    launched = [name for names in plan.launches.values() for name in names]
    capacity = [m for m in fleet if m.is_capacity]

    assert len(fleet) + len(launched) <= max(OPTIONS.max_instances, len(fleet)), "R2: never above the cap"
    assert len(set(launched)) == len(launched)
    assert not set(launched) & {m.instance.name for m in fleet}
    assert all(len(names) <= rooms[pool] for pool, names in plan.launches.items())
    assert not (launched and plan.drains), "never both ways at once"
    assert len(capacity) + len(launched) - len(plan.drains) <= max(wanted, len(capacity))
    assert len(plan.drains) == max(0, len(capacity) - wanted)
    assert {r.instance.id for r in plan.drains} <= {m.instance.id for m in capacity}
    assert not {r.instance.id for r in plan.terminations} & {m.instance.id for m in capacity}
