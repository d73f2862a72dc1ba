"""What waiting and instances are worth beside each other."""

from dataclasses import replace

import pytest

from burstlens.clouds.base import Billing
from burstlens.scaling.observation import Observation, Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.traffic import Traffic, Wave
from burstlens.scaling.worth import haste_seconds, worth_keeping, worth_launching

PUBLIC = Prospect("public", 45.0, 0.5, price_per_hour=1.0, billing=Billing(1, 60), room=10)
PRIVATE = Prospect("private", 45.0, 0.5, price_per_hour=0.2, billing=Billing(1, 0), room=4)


def waiting(count: int, seconds: float, instances: int = 0) -> Observation:
    traffic = Traffic(at=1000.0, total=count, backlog=(Wave(1000.0 - seconds, count),) if count else ())
    return Observation(count, (count,), running=instances, at=1000.0, traffic=traffic, prospects=(PRIVATE, PUBLIC))


def options(waiting_price_per_hour: float) -> ScalingOptions:
    return ScalingOptions(waiting_price_per_hour=waiting_price_per_hour)


def test_without_a_price_nobody_is_launched_for_those_who_wait() -> None:
    assert worth_launching(waiting(100, 500), PUBLIC, options(0)) == 0
    assert worth_launching(waiting(0, 0), PUBLIC, options(1)) == 0


def test_instances_are_bought_once_the_waiting_has_cost_as_much_as_one() -> None:
    assert worth_launching(waiting(10, 5.9), PUBLIC, options(1)) == 0
    assert worth_launching(waiting(10, 6), PUBLIC, options(1)) == 1, "10 requests for 6 s are a minute"


@pytest.mark.parametrize(("waiting_price", "count"), [(1.0, 6), (4.0, 13), (16.0, 26)])
def test_their_number_is_where_bill_and_waiting_together_are_least(waiting_price: float, count: int) -> None:
    launched = worth_launching(waiting(100, 60), PUBLIC, options(waiting_price))

    def cost(instances: int) -> float:
        return instances * 60.0 + waiting_price * 100**2 * 0.5 / (2 * instances)

    assert launched == count
    assert cost(launched) <= min(cost(launched - 1), cost(launched + 1))


def test_who_is_there_already_is_not_launched_again() -> None:
    assert worth_launching(waiting(100, 60, instances=6), PUBLIC, options(1)) == 0


def test_where_an_instance_costs_nothing_nobody_waits_for_longer_than_it_boots() -> None:
    free = replace(PUBLIC, price_per_hour=0.0, billing=Billing())

    assert worth_launching(waiting(900, 0), free, options(0)) == 10, "900 × 0.5 s in 45 s"


def test_dearer_waiting_keeps_more_beyond_the_load() -> None:
    assert [worth_keeping(4.0, PUBLIC, price) for price in (0.0, 0.01, 1.0, 4.0)] == [0, 4, 6, 8]
    assert worth_keeping(0.0, PUBLIC, 100.0) == 0


def test_a_cheap_pool_is_used_the_sooner_the_nearer_it_is_to_its_end() -> None:
    seconds = [haste_seconds(waiting(10, 0), PRIVATE, 60.0, needed) for needed in (1, 2, 4, 40)]

    assert seconds == pytest.approx([12.0, 24.0, 48.0, 48.0])


def test_the_dearest_pool_waits_as_long_as_it_can() -> None:
    assert haste_seconds(waiting(10, 0), PUBLIC, 60.0, 5) == 0
    assert haste_seconds(waiting(10, 0), PRIVATE, -5.0, 5) == 0
