"""EC2 target tracking of the backlog per instance."""

import pytest

from burstlens.simulate.peers.target_tracking import BacklogPerInstance
from support.looks import look, sizes


def test_1500_messages_on_ten_instances_become_fifteen_as_the_aws_pages_say() -> None:
    acceptable_seconds, service_seconds = 10.0, 0.1
    policy = BacklogPerInstance(target=acceptable_seconds / service_seconds, out_periods=1)
    assert policy.desired(look(0, 1_500, running=10)) == 15


def test_what_workers_hold_is_no_backlog() -> None:
    policy = BacklogPerInstance(target=100, out_periods=1)
    assert policy.desired(look(0, 1_500, running=10, in_flight=700)) == 10


@pytest.mark.parametrize(("visible", "wanted"), [(115, 12), (85, 9)])
def test_one_and_a_half_is_rounded_to_two_on_the_way_out_and_to_one_on_the_way_in(visible: int, wanted: int) -> None:
    assert BacklogPerInstance(target=10, out_periods=1, in_periods=1).desired(look(0, visible, running=10)) == wanted


def test_out_takes_three_breaching_minutes_and_one_good_one_begins_them_again() -> None:
    minutes = [20, 20, 5, 20, 20, 20]
    policy = BacklogPerInstance(target=10)
    wanted = [policy.desired(look(60 * minute, depth, running=1)) for minute, depth in enumerate(minutes)]
    assert wanted == [1, 1, 1, 1, 1, 2]


def test_between_two_datapoints_nothing_is_measured() -> None:
    policy = BacklogPerInstance(target=10, out_periods=2)
    wanted = sizes(policy, 13, lambda at, _: look(at, 20, running=1), size=1)
    assert wanted == [1] * 12 + [2]


def test_in_takes_fifteen_breaching_minutes() -> None:
    policy = BacklogPerInstance(target=10)
    wanted = [policy.desired(look(60 * minute, 20, running=10)) for minute in range(15)]
    assert wanted == [10] * 14 + [2]


def test_a_metric_within_ten_per_cent_below_the_target_takes_nothing_in() -> None:
    assert BacklogPerInstance(target=10, in_periods=1).desired(look(0, 90, running=10)) == 10


def test_nothing_is_taken_in_while_instances_start() -> None:
    policy = BacklogPerInstance(target=10, in_periods=1)
    assert policy.desired(look(0, 5, running=2, pending=3)) == 5


def test_warming_instances_are_no_divisor_but_are_not_asked_for_again() -> None:
    # R1
    policy = BacklogPerInstance(target=10, out_periods=1, warmup_seconds=60)
    assert policy.desired(look(0, 60, running=4, age_seconds=30)) == 4, "no instance in service: no data, no action"
    assert BacklogPerInstance(target=10, out_periods=1).desired(look(0, 60, running=4, pending=1)) == 6


def test_without_instances_a_backlog_starts_one() -> None:
    assert BacklogPerInstance(target=10, out_periods=1).desired(look(0, 500)) == 1
    assert BacklogPerInstance(target=10, out_periods=1).desired(look(0, 0)) == 0
