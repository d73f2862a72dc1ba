"""dask's adaptive deployments."""

import pytest

from burstlens.simulate.peers.dask_adaptive import DaskAdaptive
from support.looks import look, sizes


@pytest.mark.parametrize(("depth", "wanted"), [(0, 0), (1, 1), (100, 10), (101, 11)])
def test_workers_are_the_queued_time_over_the_target_duration(depth: int, wanted: int) -> None:
    assert DaskAdaptive(target_duration_seconds=5).desired(look(0, depth, service_seconds=0.5)) == wanted


def test_a_few_long_tasks_do_not_ask_for_more_workers_than_there_are_tasks() -> None:
    assert DaskAdaptive(target_duration_seconds=5).desired(look(0, 3, service_seconds=120)) == 3


def test_a_worker_goes_when_it_was_named_three_times_in_a_row() -> None:
    assert sizes(DaskAdaptive(), 4, lambda at, size: look(at, 0, running=size), size=4) == [4, 4, 0, 0]


def test_a_wish_for_as_many_or_more_clears_the_names() -> None:
    policy = DaskAdaptive(target_duration_seconds=1)
    depths = [0, 0, 8, 0, 0, 0]
    wanted = [policy.desired(look(5.0 * tick, depth, running=4)) for tick, depth in enumerate(depths)]
    assert wanted == [4, 4, 4, 4, 4, 0]


def test_only_as_many_go_as_were_named_each_time() -> None:
    policy = DaskAdaptive()
    busy = [1, 3, 2, 2, 2]
    wanted = [policy.desired(look(5.0 * tick, 2, running=4, busy=now)) for tick, now in enumerate(busy)]
    assert wanted == [4, 4, 3, 3, 2], "the second that is idle was named at looks 3, 4 and 5"


def test_workers_that_work_stay() -> None:
    assert sizes(DaskAdaptive(), 6, lambda at, size: look(at, 1, running=size, busy=min(2, size)), size=4)[-1] == 2


def test_workers_that_have_not_arrived_are_cancelled() -> None:
    policy = DaskAdaptive()
    assert [policy.desired(look(5.0 * tick, 0, pending=4)) for tick in range(3)] == [4, 4, 0]
