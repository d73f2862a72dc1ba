"""What a fleet costs, and what may still be spent."""

import dataclasses
import math

import pytest

from burstlens.clouds.base import Billing, Instance, Pool, State
from burstlens.scaling.budget import DAY_SECONDS, HOUR_SECONDS, Allowance, Books, allowance
from burstlens.scaling.options import ScalingOptions

NOW = 1_700_000_040.0
"""The begin of a minute."""
HOURLY = 3.6
"""A tenth of a cent a second, so that seconds can be read off the money."""
POOL = Pool("public", "ec2", cap=100, price_per_hour=HOURLY, billing=Billing(1, 60))
FREE = Pool("private", "openstack", cap=100)
POOLS = {pool.name: pool for pool in (POOL, FREE)}


def instance(number: int, launched_at: float = NOW, *, pool: str = "public", state: State = State.RUNNING) -> Instance:
    return Instance(f"i{number}", f"app-tier-{number}", pool, state, launched_at)


def seconds(money: float) -> float:
    return money * 1000


def test_r16_a_running_instance_costs_its_seconds() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 300, [instance(1)], POOLS)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(300)


def test_r16_an_instance_that_goes_early_pays_its_minimum() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 20, [], POOLS)
    assert seconds(books.spent(HOUR_SECONDS) + books.bound) == pytest.approx(60)

    books = books.after(NOW + 90, [], POOLS)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(60)
    assert books.bound == 0
    assert not books.after(NOW + 620, [], POOLS).accounts


def test_r16_every_increment_that_was_begun_is_paid() -> None:
    pools = {"public": dataclasses.replace(POOL, billing=Billing(increment_seconds=3600))}
    books = Books().after(NOW, [instance(1)], pools).after(NOW + 4000, [instance(1)], pools)
    assert seconds(books.spent(DAY_SECONDS)) == pytest.approx(4000)
    assert seconds(books.bound) == pytest.approx(3200)

    gone = books.after(NOW + 4100, [], pools).after(NOW + 8000, [], pools)
    assert seconds(gone.spent(DAY_SECONDS)) == pytest.approx(7200)


def test_r16_what_was_never_seen_before_is_billed_from_its_launch() -> None:
    books = Books().after(NOW, [], POOLS).after(NOW + 600, [instance(1, NOW - 1000)], POOLS)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(1600)


def test_pending_is_not_billed_once_it_was_seen_so() -> None:
    books = Books().after(NOW, [instance(1, state=State.PENDING)], POOLS)
    books = books.after(NOW + 30, [instance(1, state=State.PENDING)], POOLS)
    assert books.spent(HOUR_SECONDS) == 0
    assert seconds(books.bound) == pytest.approx(60), "but its minimum is owed"

    books = books.after(NOW + 130, [instance(1)], POOLS)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(100)


def test_what_was_spent_an_hour_or_a_day_ago_is_forgotten() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 120, [], POOLS).after(NOW + 180, [], POOLS)
    spent = books.spent(HOUR_SECONDS)
    assert seconds(spent) == pytest.approx(120)

    late = books.after(NOW + HOUR_SECONDS + 180, [], POOLS)
    assert late.spent(HOUR_SECONDS) == 0
    assert late.spent(DAY_SECONDS) == pytest.approx(spent)
    assert not late.after(NOW + DAY_SECONDS + 300, [], POOLS).slots


def test_r20_time_without_an_autoscaler_is_billed_too() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 7200, [instance(1)], POOLS)
    assert seconds(books.spent(DAY_SECONDS)) == pytest.approx(7200)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(3600)


def test_the_price_of_a_pool_that_is_gone_from_the_settings_stays() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 100, [instance(1)], {})
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(100)


def test_a_clock_that_was_set_back_bills_nothing_twice() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 100, [instance(1)], POOLS)
    books = books.after(NOW + 40, [instance(1)], POOLS).after(NOW + 100, [instance(1)], POOLS)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(100)


@pytest.mark.parametrize("absent", [1, 2, 30])
def test_an_instance_that_a_list_left_out_is_billed_once_and_throughout(absent: int) -> None:
    books = Books().after(NOW - 1000, [], POOLS).after(NOW, [instance(1, NOW - 900)], POOLS)
    for tick in range(1, 41):
        there = [] if tick <= absent else [instance(1, NOW - 900)]
        books = books.after(NOW + 10 * tick, there, POOLS)
    assert seconds(books.spent(HOUR_SECONDS)) == pytest.approx(1300)


def left(books: Books | None, fleet: list[Instance], **options: float | None) -> Allowance:
    settings = {"boot_seconds": 45, "tick_seconds": 5} | options
    return allowance(books, fleet, [], POOLS, 60, ScalingOptions.model_validate(settings))


def test_without_a_budget_only_the_rate_limits_launches() -> None:
    assert left(None, [instance(1)]) == Allowance(60)


def test_r16_launches_are_cut_to_what_can_be_paid_and_free_ones_are_not() -> None:
    """A launch costs at least its boot, a tick, and the minute in which it goes."""
    books = Books().after(NOW, [], POOLS)
    names = tuple(f"app-tier-{number}" for number in range(10))
    allowed = left(books, [], budget_per_hour=3.5 * 0.110)

    assert seconds(allowed.costs["public"]) == pytest.approx(110)
    assert allowed.of({"private": names[:4], "public": names[4:]}) == {"private": names[:4], "public": names[4:7]}
    assert left(books, [], budget_per_hour=0).of({"public": names}) == {}


def test_r16_what_was_promised_to_launches_that_nobody_lists_yet_is_not_promised_again() -> None:
    books = Books().after(NOW, [], POOLS)
    options = ScalingOptions(budget_per_hour=0.250)
    asked = [instance(1)]
    assert allowance(books, asked, asked, POOLS, 60, options).of({"public": ("a", "b", "c")}) == {"public": ("a",)}


def test_r16_the_day_counts_beside_the_hour() -> None:
    books = Books().after(NOW, [instance(1)], POOLS).after(NOW + 8000, [], POOLS).after(NOW + 16000, [], POOLS)
    assert books.spent(HOUR_SECONDS) == 0
    allowed = left(books, [], budget_per_hour=100, budget_per_day=8.05)
    assert allowed.of({"public": ("app-tier-1",)}) == {}
    assert allowed.why == "budget_per_day of 8.05 is used up"


def test_r7_r16_with_unknown_books_nothing_is_launched_and_nothing_has_to_go() -> None:
    allowed = left(None, [instance(1)], budget_per_hour=1000)
    assert allowed.of({"private": ("app-tier-2",), "public": ("app-tier-3",)}) == {}
    assert allowed.keep is None


def test_r16_as_many_stay_as_can_be_paid_for_another_tick_and_free_ones_stay() -> None:
    fleet = [instance(1), instance(2), instance(3), instance(4, pool="private")]
    books = Books().after(NOW, fleet, POOLS).after(NOW + 600, fleet, POOLS)
    going = 3 * (600 + 60)
    assert left(books, fleet, budget_per_hour=(going + 15.1) / 1000).keep is None
    assert left(books, fleet, budget_per_hour=(going + 10.1) / 1000).keep == 3
    assert left(books, fleet, budget_per_hour=0).keep == 1


def test_r16_whoever_is_paid_for_already_need_not_go() -> None:
    pools = {"public": dataclasses.replace(POOL, billing=Billing(increment_seconds=3600))}
    books = Books().after(NOW, [instance(1)], pools).after(NOW + 600, [instance(1)], pools)
    assert left(books, [instance(1)], budget_per_hour=0).keep is None


@pytest.mark.parametrize("billing", [Billing(1, 60), Billing(60, 60), Billing(1, 0)])
@pytest.mark.parametrize("end_seconds", [0, 55])
def test_r16_over_hours_of_more_work_than_money_no_60_minutes_cost_more_than_the_budget(
    billing: Billing, end_seconds: float
) -> None:
    """A fleet that always wants 20, and whose instances take `end_seconds` to go."""
    pools = {"public": dataclasses.replace(POOL, billing=billing)}
    options = ScalingOptions(budget_per_hour=12.0, tick_seconds=5, boot_seconds=45)
    fleet: dict[str, Instance] = {}
    going: dict[str, float] = {}
    bill: list[tuple[float, float]] = []
    books, born = Books(), 0
    for tick in range(3 * 720):
        now = NOW + 5 * tick
        for key in [key for key, at in going.items() if at <= now]:
            del going[key], fleet[key]
        books = books.after(now, fleet.values(), pools)
        capacity = [each for key, each in fleet.items() if key not in going]
        allowed = allowance(books, capacity, [], pools, 60, options)
        stay = len(capacity) if allowed.keep is None else allowed.keep
        for each in capacity[stay:]:
            going[each.id] = now + end_seconds
        names = tuple(f"app-tier-{born + number}" for number in range(max(0, 20 - len(fleet))))
        for _ in allowed.of({"public": names}).get("public", ()) if stay == len(capacity) else ():
            born += 1
            fleet[f"i{born}"] = instance(born, now)
        bill.append((now, 5 * len(fleet) / 1000))
    worst = max(
        sum(money for at, money in bill if end - HOUR_SECONDS < at <= end) for end in {at for at, _ in bill[::60]}
    )
    assert worst <= 12.0
    assert worst > 0.9 * 12.0, "and the money is used"


def test_an_allowance_without_a_budget_is_endless() -> None:
    assert Allowance(1).money == math.inf
