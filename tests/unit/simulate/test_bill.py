"""What machines cost, against what can be worked out by hand."""

import numpy as np
import pytest

from burstlens.clouds.base import Billing, Pool
from burstlens.simulate.bill import Stay, billed, billed_seconds, money, money_at, peak, present_at
from burstlens.simulate.world import EC2_BILLING

PUBLIC = Pool("public", "ec2", cap=19, price_per_hour=0.36, billing=EC2_BILLING)
PRIVATE = Pool("private", "openstack", cap=4)
HOURLY = Billing(increment_seconds=3600.0, minimum_seconds=3600.0)


@pytest.mark.parametrize(
    ("seconds", "billing", "expected"),
    [
        (0.0, EC2_BILLING, 60.0),
        (59.9, EC2_BILLING, 60.0),
        (60.1, EC2_BILLING, 61.0),
        ((0.1 + 0.2) * 1000, EC2_BILLING, 300.0),
        (3600.0, HOURLY, 3600.0),
        (3601.0, HOURLY, 7200.0),
        (-1.0, EC2_BILLING, 0.0),
    ],
)
def test_each_started_increment_is_billed_and_at_least_the_minimum(
    seconds: float, billing: Billing, expected: float
) -> None:
    assert billed(np.array([seconds]), billing).tolist() == [expected]


def test_what_is_pending_is_not_billed() -> None:
    stays = [Stay("public", 0.0, 30.0, 130.0), Stay("public", 0.0, 30.0, 20.0)]

    assert billed_seconds(stays, PUBLIC) == 100.0, "and the second one never ran"


def test_money_is_hours_times_price_over_all_pools() -> None:
    assert money([7200.0, 3600.0], [PUBLIC, PRIVATE]) == pytest.approx(0.72)


def test_money_so_far_takes_the_minimum_at_the_start_and_ends_with_the_bill() -> None:
    stays = [Stay("public", 0.0, 10.0, 80.0), Stay("private", 0.0, 0.0, 90.0), Stay("public", 85.0, 85.0, 85.0)]
    at = np.array([0.0, 10.0, 75.0, 80.0, 90.0])

    so_far = money_at(at, stays, [PUBLIC, PRIVATE])

    assert so_far * 10_000 == pytest.approx([0.0, 60.0, 65.0, 70.0, 130.0])


def test_who_is_there_is_counted_from_the_launch_until_the_end() -> None:
    stays = [Stay("public", 5.0, 30.0, 10.0), Stay("public", 6.0, 6.0, 20.0), Stay("private", 0.0, 0.0, 99.0)]

    assert present_at(np.array([0.0, 5.0, 9.0, 10.0, 20.0]), stays, "public").tolist() == [0, 1, 2, 1, 0]


def test_the_peak_counts_all_pools_and_no_one_that_ends_as_another_begins() -> None:
    stays = [Stay("public", 0.0, 0.0, 10.0), Stay("private", 10.0, 10.0, 20.0), Stay("public", 15.0, 15.0, 30.0)]

    assert peak(stays) == 2
    assert peak([]) == 0
