"""What was asked for, what a cloud lists, and what has been heard of."""

from dataclasses import replace

from burstlens.scaling.fleet import Fleet
from burstlens.scaling.guardrails import Asked
from burstlens.scaling.members import Activity
from burstlens.scaling.options import ScalingOptions
from support.fleets import NOW, member

OPTIONS = ScalingOptions()


def test_r1_each_gap_between_asked_for_and_at_work_has_its_name() -> None:
    asked = Asked("app-tier-1", "cores", NOW).as_member(NOW, OPTIONS)
    beating = replace(member(3, Activity.BUSY), has_beaten=True)

    fleet = Fleet.of([asked, member(2, Activity.BOOTING), beating])

    assert fleet == Fleet(
        requested=frozenset({"app-tier-1"}),
        listed=frozenset({"app-tier-2", "app-tier-3"}),
        beating=frozenset({"app-tier-3"}),
    )
    assert fleet.booting == {"app-tier-2"}


def test_r2_a_launch_that_should_have_come_by_now_is_still_asked_for() -> None:
    late = Asked("app-tier-1", "cores", NOW - OPTIONS.listing_grace_seconds - 1).as_member(NOW, OPTIONS)

    assert Fleet.of([late]).requested == {"app-tier-1"}


def test_what_is_about_to_go_is_in_none_of_the_sets() -> None:
    going = [replace(member(1, activity), has_beaten=True) for activity in (Activity.DRAINING, Activity.FAILED)]

    assert Fleet.of([*going, member(2, Activity.SILENT)]) == Fleet()
