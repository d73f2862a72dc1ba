"""The instances of one simulated pool, counted in cohorts."""

import numpy as np
import pytest

from burstlens.clouds.base import Billing, Pool
from burstlens.scaling.estimate import UNSEEN
from burstlens.simulate.bill import Stay, billed_seconds
from burstlens.simulate.cohorts import Cohorts
from burstlens.simulate.world import EC2_BILLING, Duration, SimulatedPool

TICK = 5.0
BOOT = Duration(45.0)


def cohorts(
    billing: Billing = EC2_BILLING, *, cap: int = 10_000, pending: float = 0.0, boot: Duration = BOOT
) -> Cohorts:
    pool = Pool("p", "ec2", cap=cap, price_per_hour=1.0, billing=billing)
    return Cohorts(SimulatedPool(pool, pending_seconds=pending, boot=boot), TICK, np.random.default_rng(1))


def test_what_was_launched_boots_then_runs() -> None:
    pool = cohorts(pending=10)
    pool.launch(3, 100)
    assert (pool.pending, pool.running, pool.next_ready) == (3, 0, 155)
    pool.pass_time(150)
    assert (pool.pending, pool.running) == (3, 0)
    pool.pass_time(155)

    assert (pool.pending, pool.running, pool.rate) == (0, 3, 6)
    assert pool.prospect(0.5, 60, 155).boot_seconds == 55, "as measured"
    assert pool.prospect(0.5, 60, 155).slow_boot_seconds == pytest.approx(55 * (1 + UNSEEN / 3)), "three say little"
    assert cohorts().prospect(0.5, 60, 155).boot_seconds == 60, "as assumed"


def test_boots_that_vary_end_one_after_the_other() -> None:
    pool = cohorts(boot=Duration(50, sigma=0.3, least_seconds=30, most_seconds=90))
    pool.launch(1600, 0)
    ready = []
    for now in range(0, 100, 5):
        pool.pass_time(now)
        ready.append(pool.running)

    assert ready[5] == 0
    assert 0 < ready[8] < ready[10] < ready[14] < 1600 == ready[19]
    assert ready[10] == pytest.approx(800, rel=0.1), "half of them after the median"


def test_one_that_ends_while_it_boots_is_billed_the_minimum_and_one_that_is_pending_nothing() -> None:
    pool = cohorts(pending=10)
    pool.launch(2, 0)
    assert pool.drop_booting(1, 5) == 1
    assert pool.billed_seconds(5) == 0
    assert pool.drop_booting(5, 20) == 1

    assert pool.count == 0
    assert pool.billed_seconds(1000) == 60


def test_the_last_launched_is_the_first_of_those_that_boot_to_go() -> None:
    pool = cohorts()
    pool.launch(1, 0)
    pool.launch(1, 20)
    pool.drop_booting(1, 25)

    assert pool.next_ready == 45


def test_those_that_are_not_paid_for_any_further_go_first() -> None:
    pool = cohorts(Billing(increment_seconds=3600))
    pool.launch(1, 0)
    pool.launch(1, 1000)
    pool.launch(1, 3000)
    pool.pass_time(4000)
    pool.drop_running(1, 4500)

    assert [cohort.age_seconds for cohort in pool.seen(4500)] == [4500, 1500], "that of 1,000 had only 100 s left"
    assert pool.billed_seconds(4500) == 3 * 3600 + 3600


@pytest.mark.parametrize("billing", [EC2_BILLING, Billing(3600, 0), Billing(60, 600), Billing(5, 1200)])
def test_the_bill_of_cohorts_is_that_of_every_single_instance(billing: Billing) -> None:
    pool = cohorts(billing, pending=5)
    rng = np.random.default_rng(3)
    alive: list[float] = []
    stays: list[Stay] = []
    for now in range(0, 20_000, 5):
        pool.pass_time(now)
        if rng.random() < 0.05:
            pool.launch(2, now)
            alive += [now, now]
        if pool.running and rng.random() < 0.03:
            before = dict(groups(pool, now))
            pool.drop_running(1, now)
            after = dict(groups(pool, now))
            gone = [launched for launched, count in before.items() if after.get(launched, 0) < count]
            # Of a merged cohort any may go; what all together are billed is the same.
            launched = min(alive, key=lambda at: abs(at - gone[0]))
            alive.remove(launched)
            stays.append(Stay("p", launched, launched + 5, now))
    stays += [Stay("p", launched, launched + 5, 20_000) for launched in alive]

    assert pool.count == len(alive) > 50
    assert pool.billed_seconds(20_000) == pytest.approx(billed_seconds(stays, pool.simulated.pool), rel=1e-3)


def groups(pool: Cohorts, now: float) -> list[tuple[float, int]]:
    return [(now - cohort.age_seconds, cohort.count) for cohort in pool.seen(now)]


def test_a_fleet_that_lives_for_days_stays_few_cohorts() -> None:
    pool = cohorts()
    for now in range(0, 2 * 86400, 60):
        pool.pass_time(now)
        pool.launch(1, now)

    assert pool.count == 2 * 1440
    assert len(list(pool.seen(now))) <= 12


def test_a_pool_has_room_up_to_its_cap_or_its_quota() -> None:
    assert cohorts(cap=7).room(0) == 7
    scarce = Cohorts(SimulatedPool(Pool("p", "ec2", cap=7), quota=3), TICK, np.random.default_rng(1))
    scarce.launch(2, 0)
    assert scarce.room(0) == 1


def test_a_cloud_takes_back_its_share_in_an_hour() -> None:
    pool = Cohorts(
        SimulatedPool(Pool("p", "ec2", cap=9999), interruptions_per_hour=0.5), TICK, np.random.default_rng(1)
    )
    pool.launch(1000, 0)
    for now in range(45, 3645, 5):
        pool.pass_time(now)
        pool.interrupt(TICK, now)

    assert pool.running == pytest.approx(1000 * np.exp(-0.5), rel=0.05)
