"""Choosing pools, cap, standby and policy from what simulations said."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.plan import Plan, Tried, mixes, plan
from burstlens.simulate.row import Row
from burstlens.simulate.standard import steady_world
from burstlens.simulate.study import Engine, Run, Scenario
from burstlens.simulate.workloads import arrivals_from
from support.rows import row


def scenario(boot_seconds: float = 45.0, service_seconds: float = 0.5, cap: int = 8, private: int = 0) -> Scenario:
    world = steady_world(cap, boot_seconds, service_seconds, private=private, private_price_per_hour=0.2)
    options = ScalingOptions(max_instances=cap, boot_seconds=boot_seconds, service_seconds=service_seconds)
    return Scenario("made up", arrivals_from("burst:10+burst:1:7200", 0), world, options, Engine.FLUID)


Figures = Callable[[Run], Row]


def searched(figures: Figures, wanted: Scenario | None = None, budget: float | None = None) -> Plan:
    """The plan, when simulations come to these figures."""

    def simulate(runs: Sequence[Run]) -> Iterator[tuple[int, Row]]:
        # In reverse, as processes that finish in any order would.
        return ((index, figures(runs[index])) for index in reversed(range(len(runs))))

    *_, (left, found) = plan(wanted or scenario(), simulate, budget)
    assert left == 0
    return found


def change(run: Run, name: str) -> int:
    value = run[1].changes[name]
    assert isinstance(value, int)
    return value


def best(found: Plan) -> Tried:
    assert found.best is not None, found.why_not
    return found.best


def test_the_cheapest_that_is_in_time_is_taken() -> None:
    def figures(run: Run) -> Row:
        good = run[1].policy == "queue-ratio" or change(run, "standby") == 2
        return row(run[1].policy, money=5.0 if run[1].policy == "queue-ratio" else 9.0, attainment=1.0 if good else 0.9)

    found = searched(figures)

    assert best(found).candidate.policy == "queue-ratio"
    assert found.by_policy[0].candidate.policy == "queue-ratio"


def test_of_the_same_bill_the_lowest_cap_is_taken_that_leaves_headroom() -> None:
    def figures(run: Run, peak: int) -> Row:
        return row(run[1].policy, money=1.0 + 0.001 * change(run, "max_instances"), peak=peak)

    assert best(searched(lambda run: figures(run, 1))).candidate.max_instances == 2
    assert best(searched(lambda run: figures(run, 3))).candidate.max_instances == 5
    assert best(searched(lambda run: figures(run, 8))).candidate.max_instances == 8


def test_a_cap_that_costs_the_deadline_is_not_taken() -> None:
    found = searched(lambda run: row(run[1].policy, attainment=1.0 if change(run, "max_instances") >= 6 else 0.5))

    assert best(found).candidate.max_instances == 6


def test_standby_is_bought_only_when_the_deadline_needs_it() -> None:
    def figures(run: Run, needed: int) -> Row:
        kept = change(run, "standby")
        return row(run[1].policy, money=1.0 + kept, attainment=1.0 if kept >= needed else 0.5, peak=1)

    assert best(searched(lambda run: figures(run, 0))).candidate.standby == 0
    assert best(searched(lambda run: figures(run, 3))).candidate.standby == 4


def test_one_of_two_clouds_is_enough_if_that_is_cheaper() -> None:
    wanted = scenario(private=4)

    def figures(run: Run) -> Row:
        return row(run[1].policy, money=1.0 if [each.pool.name for each in run[0].world.pools] == ["public"] else 2.0)

    assert len(mixes(wanted.world.pools)) == 3
    assert [each.pool.name for each in best(searched(figures, wanted)).candidate.pools] == ["public"]


def test_what_is_kept_is_paid_for_to_the_end_of_the_period() -> None:
    found = searched(lambda run: row(run[1].policy, money=1.0, peak=4, kept=4))

    half_hour, hourly = 1.0, 4 * 0.085
    assert found.period_seconds == 7300
    assert best(found).bill(7300) == pytest.approx(half_hour + hourly * (7300 - 1795) / 3600)
    assert found.per_day(best(found)) == pytest.approx(86_400 / 7300 * best(found).bill(7300))


def test_what_is_let_go_costs_what_it_cost() -> None:
    assert best(searched(lambda run: row(run[1].policy, money=1.0, kept=0))).bill(7200) == 1.0


def test_a_budget_rules_out_what_costs_more_a_day() -> None:
    def figures(run: Run) -> Row:
        return row(run[1].policy, money=1.0, attainment=1.0)

    assert searched(figures, budget=12.0).best is not None
    beyond = searched(figures, budget=11.0)
    assert beyond.best is None
    assert "costs at least 11.84 a day, more than the budget of 11.00" in beyond.why_not


def test_a_boot_longer_than_the_deadline_is_named_as_the_reason() -> None:
    found = searched(lambda run: row(run[1].policy, attainment=0.5, peak=4))

    assert found.best is None
    assert "a boot takes 45 s, longer than the deadline" in found.why_not
    assert "for more standby" in found.why_not


def test_a_request_longer_than_the_deadline_is_named_as_the_reason() -> None:
    found = searched(lambda run: row(run[1].policy, attainment=0.0), scenario(service_seconds=31.0))

    assert "a single request takes 31 s, longer than the deadline" in found.why_not


def test_a_cap_that_was_reached_is_named_as_the_reason() -> None:
    found = searched(lambda run: row(run[1].policy, attainment=0.5, peak=8), scenario(boot_seconds=5.0))

    assert "runs into the cap of 8: raise --cap" in found.why_not


def test_nothing_is_tried_twice_and_never_more_than_the_cap() -> None:
    found = searched(lambda run: row(run[1].policy), scenario(cap=3, private=2))

    candidates = [tried.candidate for tried in found.tried]
    assert len(candidates) == len(set(candidates))
    assert all(each.min_instances + each.standby <= each.max_instances <= 3 for each in candidates)


def test_the_cap_is_never_more_than_the_chosen_pools_have_room_for() -> None:
    found = searched(lambda run: row(run[1].policy, money=float(len(run[0].world.pools)), peak=2), scenario(private=3))
    private = [tried for tried in found.tried if [each.pool.name for each in tried.candidate.pools] == ["private"]]

    assert best(found) in private
    assert {tried.candidate.max_instances for tried in private} <= {1, 2, 3}


def test_the_target_of_target_tracking_is_the_deadline_over_the_service_time() -> None:
    targets = set()

    def figures(run: Run) -> Row:
        if run[1].policy == "target-tracking":
            targets.add(run[1].changes["target_backlog"])
        return row(run[1].policy)

    searched(figures)

    assert targets == {60.0}
