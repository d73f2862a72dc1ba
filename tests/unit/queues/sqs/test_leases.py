"""What is known of leases without asking SQS."""

import pytest

from burstlens.queues.sqs.leases import Leases

ALMOST_HALF_A_DAY = 12 * 3600 - 10


def test_a_lease_ends_when_its_time_is_over_unless_it_was_extended() -> None:
    leases = Leases()
    leases.take("r", now=100, seconds=30)
    assert not leases.ended("r", 129)
    assert leases.ended("r", 130)
    leases.extend("r", 200)
    assert not leases.ended("r", 199)
    assert not leases.given_up("r")


def test_what_was_given_up_has_ended_for_good() -> None:
    leases = Leases()
    leases.take("r", now=100, seconds=30)
    with leases.giving_up(["r"]):
        assert leases.given_up("r")
        assert leases.being_given_up("r")
    assert not leases.being_given_up("r")
    leases.extend("r", 1000)
    assert leases.given_up("r")
    assert leases.ended("r", 101)


def test_what_could_not_be_given_up_is_still_held() -> None:
    leases = Leases()
    leases.take("r", now=100, seconds=30)
    with pytest.raises(OSError, match="lost"), leases.giving_up(["r"]):
        raise OSError("lost")
    assert not leases.given_up("r")
    assert not leases.ended("r", 101)


def test_a_receipt_of_somebody_else_is_not_judged() -> None:
    leases = Leases()
    assert not leases.ended("r", 1e9)
    assert not leases.given_up("r")
    assert leases.seconds_left("r", 1e9) == ALMOST_HALF_A_DAY
    with leases.giving_up(["r"]):
        assert not leases.given_up("r")


def test_an_extension_is_bounded_by_twelve_hours_from_the_receive() -> None:
    leases = Leases()
    leases.take("r", now=100, seconds=30)
    assert leases.seconds_left("r", 100 + 3600) == ALMOST_HALF_A_DAY - 3600


def test_only_the_newest_are_remembered() -> None:
    leases = Leases()
    for number in range(3000):
        leases.take(str(number), now=100, seconds=30)
    assert not leases.ended("0", 1000)
    assert leases.ended("2999", 1000)
    assert len(leases._leases) == 2000
