"""Knative's pod autoscaler; the examples are those of its own `autoscaler_test.go` where a test says so."""

import pytest

from burstlens.simulate.peers.knative import Knative
from support.looks import look, sizes


def steady(policy: Knative, concurrency: int, ready: int) -> int:
    """What is wanted once the windows hold nothing but this."""
    return [policy.desired(look(5 * tick, concurrency, running=ready)) for tick in range(13)][-1]


@pytest.mark.parametrize(
    ("ready", "concurrency", "wanted"), [(1, 50, 5), (1, 100, 10), (8, 100, 10), (8, 50, 5), (1, 1, 1), (1, 0, 0)]
)
def test_pods_follow_the_concurrency_as_in_knatives_own_tests(ready: int, concurrency: int, wanted: int) -> None:
    policy = Knative(target=10, grace_seconds=0, panic_threshold=1_000)
    assert steady(policy, concurrency, ready) == wanted


def test_panic_takes_the_short_window_as_in_knatives_own_tests() -> None:
    policy = Knative(target=10, panic_seconds=0)
    for tick in range(6):
        policy.desired(look(5 * tick, 7, running=1))
    assert policy.desired(look(30, 100, running=1)) == 10


def test_traffic_that_grows_sixfold_again_and_again_is_followed_as_in_knatives_own_tests() -> None:
    policy = Knative(target=1, stable_seconds=0, panic_seconds=0, maximum=2_000)
    pods = 1
    for step, concurrency in enumerate([6, 36, 216, 1_296]):
        pods = policy.desired(look(5 * step, concurrency, running=pods))
        assert pods == concurrency


@pytest.mark.parametrize(("rate", "concurrency", "wanted"), [(1.1, 3, 3), (10, 100, 20), (10, 3, 3)])
def test_it_grows_by_no_more_than_the_rate_rounded_up(rate: float, concurrency: int, wanted: int) -> None:
    # The first is the example in a comment of `Scale`: 3 requests, 2 pods, target 1, rate 1.1.
    assert Knative(target=1, up_rate=rate).desired(look(0, concurrency, running=2)) == wanted


def test_it_shrinks_to_no_less_than_half_of_the_ready_pods_at_a_time() -> None:
    assert Knative(target=10).desired(look(0, 10, running=9)) == 4


def test_in_panic_it_never_goes_down_until_a_whole_stable_window_is_calm() -> None:
    policy = Knative(target=1)
    depths = [0, 20, 20, 20] + [1] * 30
    wanted = sizes(policy, len(depths), lambda at, size: look(at, depths[int(at - 1_000) // 5], running=max(1, size)))
    assert wanted[2:15] == [20] * 13, "at tick 2 the wish was twice the ready pods for the last time"
    assert wanted[15] == 10


def test_the_last_pod_goes_after_the_grace_period() -> None:
    policy = Knative(target=10, grace_seconds=30, stable_seconds=0, panic_seconds=0)
    assert sizes(policy, 8, lambda at, size: look(at, 0, running=size), size=1) == [1] * 6 + [0] * 2


def test_a_scale_down_delay_keeps_the_highest_wish() -> None:
    policy = Knative(target=1, stable_seconds=0, panic_seconds=0, panic_threshold=99, down_delay_seconds=20)
    depths = [4, 2, 2, 2, 2, 2]
    assert [policy.desired(look(5 * tick, depth, running=4)) for tick, depth in enumerate(depths)] == [4] * 5 + [2]
