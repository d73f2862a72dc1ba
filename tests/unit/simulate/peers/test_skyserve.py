"""SkyServe's two autoscalers."""

from burstlens.simulate.peers.skyserve import QueueLength, RequestRate
from support.looks import look, sizes


def rated(policy: RequestRate, per_second: float, ticks: int) -> list[int]:
    return sizes(policy, ticks, lambda at, size: look(at, 0, running=size, total=(at - 1_000) * per_second))


def test_ten_qps_at_two_and_a_half_for_each_replica_are_four_as_the_skyserve_pages_compute() -> None:
    assert rated(RequestRate(target_qps=2.5, up_seconds=0), 10, 20)[-1] == 4


def test_more_replicas_come_after_300_seconds_of_votes_every_20_seconds() -> None:
    wanted = rated(RequestRate(target_qps=1, minimum=1), 3, 80)
    assert wanted.index(3) * 5 == 320, "the first vote of fifteen is at 40 s, when the window holds enough for two"
    assert set(wanted) == {1, 3}


def test_a_vote_against_begins_the_votes_again() -> None:
    policy = RequestRate(target_qps=1, up_seconds=60, minimum=1)
    totals = [0.0, 120.0, 120.0, 120.0, 120.0, 240.0, 240.0, 240.0]
    wanted = [policy.desired(look(20.0 * tick, running=1, total=total)) for tick, total in enumerate(totals)]
    assert wanted == [1, 1, 1, 2, 2, 2, 2, 2]
    policy = RequestRate(target_qps=1, up_seconds=80, minimum=1)
    wanted = [policy.desired(look(20.0 * tick, running=1, total=total)) for tick, total in enumerate(totals)]
    assert wanted == [1] * 8, "after three votes the window is empty for one"


def test_from_zero_the_first_request_starts_one_at_once() -> None:
    policy = RequestRate(target_qps=1)
    totals = [0.0, 1.0, 1.0]
    assert [policy.desired(look(5.0 * tick, total=total)) for tick, total in enumerate(totals)] == [0, 1, 1]


def test_it_goes_down_after_1200_seconds_of_votes() -> None:
    policy = RequestRate(target_qps=0.1)
    wanted = sizes(policy, 300, lambda at, _: look(at, total=30.0 if at > 1_000 else 0.0))
    assert wanted[:2] == [0, 5]
    assert wanted.index(0, 1) * 5 == 80 + 59 * 20, "the first vote of sixty is at 80 s, when the window is empty"


def queued(policy: QueueLength, waiting: list[int], running: int = 0, busy: int = 0) -> list[int]:
    return [policy.desired(look(20.0 * tick, depth, running=running, busy=busy)) for tick, depth in enumerate(waiting)]


def test_a_queue_above_the_threshold_adds_one_at_a_time_and_an_empty_one_takes_all() -> None:
    policy = QueueLength(threshold=10, up_seconds=0, down_seconds=0)
    assert queued(policy, [11, 11, 11, 10, 9, 9, 9, 9, 0]) == [1, 2, 3, 3, 2, 1, 1, 1, 0]


def test_a_single_step_takes_300_seconds_of_votes_by_default() -> None:
    wanted = queued(QueueLength(), [50] * 32)
    assert wanted == [1] * 15 + [2] * 15 + [3] * 2


def test_only_idle_replicas_are_taken_away() -> None:
    policy = QueueLength(up_seconds=0, down_seconds=0, minimum=0)
    queued(policy, [50, 50, 50], running=3, busy=3)
    assert policy.desired(look(60, 2, running=3, busy=2, in_flight=2)) == 2
