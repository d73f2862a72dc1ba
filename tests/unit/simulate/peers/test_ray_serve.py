"""Ray Serve."""

import pytest

from burstlens.simulate.peers.ray_serve import RayServe
from support.looks import look, sizes


def at_once(ongoing_each: float, replicas: int, up: float = 1.0, down: float = 1.0) -> int:
    policy = RayServe(
        target_ongoing=1, up_seconds=0, down_seconds=0, up_factor=up, down_factor=down, maximum=200, minimum=0
    )
    return policy.desired(look(0, int(ongoing_each * replicas), running=replicas))


@pytest.mark.parametrize(("ongoing", "wanted"), [(2.0, 20), (1.0, 10), (0.5, 5)])
def test_replicas_follow_the_ongoing_requests(ongoing: float, wanted: int) -> None:
    assert at_once(ongoing, 10) == wanted


def test_a_factor_of_a_half_goes_half_of_the_way_in_its_own_direction() -> None:
    assert at_once(4.0, 10, up=0.5) == 25
    assert at_once(0.2, 10, down=0.5) == 6
    assert at_once(0.2, 10, up=0.5) == 2


def test_a_factor_that_would_never_get_down_gets_down_by_one() -> None:
    # 2 + 0.3 × (1 − 2) = 1.7 → 2, which is no way down.
    assert at_once(0.5, 2, down=0.3) == 1


def test_it_moves_up_after_30_seconds_and_a_break_begins_them_again() -> None:
    policy = RayServe(target_ongoing=1, look_back_seconds=0)
    depths = [1, 4, 4, 1, 4, 4, 4, 4, 4, 4, 4]
    wanted = [policy.desired(look(5.0 * tick, depth, running=1)) for tick, depth in enumerate(depths)]
    assert wanted == [1] * 10 + [4]


def test_it_moves_down_after_600_seconds_and_to_zero_only_from_one() -> None:
    wanted = sizes(RayServe(), 250, lambda at, size: look(at, 0, running=size), size=5)
    assert wanted == [5] * 120 + [1] * 121 + [0] * 9


def test_from_zero_one_comes_at_once_and_no_second_before_it_runs() -> None:
    policy = RayServe(target_ongoing=1, up_seconds=0)
    assert [policy.desired(look(5.0 * tick, 100, pending=tick > 0)) for tick in range(9)] == [1] * 9
    assert policy.desired(look(45, 100, running=1)) == 100


def test_ongoing_requests_are_averaged_over_the_look_back() -> None:
    policy = RayServe(target_ongoing=1, up_seconds=0, look_back_seconds=10)
    assert [policy.desired(look(5.0 * tick, depth, running=1)) for tick, depth in enumerate([1, 1, 13])] == [1, 1, 5]
