"""How many more servers fit."""

import pytest

from burstlens.clouds.openstack.quota import Flavor, Quota

SMALL, LARGE = Flavor("s", 1, 512), Flavor("l", 4, 8192)


@pytest.mark.parametrize(
    ("quota", "room"),
    [
        (Quota(None, None, None), None),
        (Quota(4, None, None), 4),
        (Quota(4, 3, None), 3),
        (Quota(4, 3, 1024), 2),
        (Quota(4, 3, 0), 0),
        (Quota(-1, 3, 1024), 0),
        (Quota(None, None, 1023), 1),
    ],
)
def test_the_tightest_limit_counts(quota: Quota, room: int | None) -> None:
    assert quota.room([SMALL]) == room


def test_the_smallest_flavor_is_what_may_still_fit() -> None:
    assert Quota(9, 7, 100_000).room([LARGE, SMALL]) == 7
    assert Quota(9, 7, 100_000).room([LARGE]) == 1


def test_a_flavor_without_memory_or_cores_is_counted_by_instances() -> None:
    assert Quota(9, 1, 1).room([Flavor("baremetal", 0, 0)]) == 9


def test_what_is_left_is_told() -> None:
    assert str(Quota(0, 16, None)) == "0 instances, 16 cores"
