"""KEDA and the HPA."""

import pytest

from burstlens.simulate.peers.keda import Keda
from support.looks import look, sizes


def hpa(depth: int, size: int, target: float) -> int:
    return Keda(queue_length=target, stabilisation_seconds=0, up_count=100).desired(look(0, depth, running=size))


@pytest.mark.parametrize(("current", "wanted"), [(200, 8), (50, 2)])
def test_twice_the_target_doubles_and_half_of_it_halves_as_the_kubernetes_pages_say(current: int, wanted: int) -> None:
    size = 4
    assert hpa(current * size, size, target=100) == wanted


def test_fifty_replicas_at_90_for_75_become_60_as_the_kubernetes_blog_says() -> None:
    assert hpa(90 * 50, 50, target=75) == 60


@pytest.mark.parametrize(("depth", "wanted"), [(109, 10), (111, 12), (91, 10), (89, 9)])
def test_a_ratio_within_ten_per_cent_of_one_changes_nothing(depth: int, wanted: int) -> None:
    assert hpa(depth, 10, target=10) == wanted


def test_it_adds_four_pods_or_doubles_at_each_sync_and_syncs_every_fifteen_seconds() -> None:
    keda = Keda(queue_length=1)
    assert sizes(keda, 16, lambda at, size: look(at, 100, running=size)) == (
        [5] * 3 + [10] * 3 + [20] * 3 + [40] * 3 + [80] * 3 + [100]
    )


def test_pods_that_boot_count_so_that_they_are_not_asked_for_twice() -> None:
    # R1
    assert Keda(queue_length=10, up_count=100).desired(look(0, 100, pending=10)) == 10


def test_it_goes_down_to_the_highest_wish_of_the_last_300_seconds() -> None:
    keda = Keda(queue_length=5)
    depths = [50] * 3 + [25] * 62
    wanted = sizes(keda, len(depths), lambda at, size: look(at, depths[int(at - 1_000) // 5], running=size), size=10)
    assert wanted[:60] == [10] * 60, "the wish for ten is 300 s old only after tick 60"
    assert wanted[63:] == [5, 5]


def test_from_zero_it_needs_a_poll_every_thirty_seconds_that_sees_more_than_the_activation() -> None:
    keda = Keda(activation=10, queue_length=20)
    depths = [10] * 7 + [11] * 6
    wanted = sizes(keda, 13, lambda at, size: look(at, depths[int(at - 1_000) // 5], running=size))
    assert wanted == [0] * 12 + [1], "polled at ticks 0, 6 and 12"


def test_it_goes_to_zero_300_seconds_after_the_last_poll_that_saw_requests() -> None:
    keda = Keda(stabilisation_seconds=0)
    wanted = sizes(keda, 70, lambda at, size: look(at, 5 if at < 1_005 else 0, running=size), size=3)
    assert wanted[:60] == [1] * 60, "the HPA alone keeps one"
    assert wanted[60:] == [0] * 10


def test_a_minimum_is_kept_for_ever() -> None:
    assert set(sizes(Keda(minimum=1), 200, lambda at, size: look(at, 0, running=size))) == {1}
