"""What queues are called on SQS."""

import pytest

from burstlens.errors import Misconfigured
from burstlens.queues.sqs.naming import Naming


def test_a_physical_name_begins_with_the_prefix() -> None:
    naming = Naming("lab-")
    assert naming.physical("requests") == "lab-requests"
    assert naming.name("lab-requests") == "requests"


def test_a_dead_letter_queue_tells_of_its_queue() -> None:
    assert Naming("lab-").name("lab-requests-dead") == "requests"


@pytest.mark.parametrize("physical", ["other-requests", "requests", "lab-orders.fifo"])
def test_what_others_made_is_not_ours(physical: str) -> None:
    assert Naming("lab-").name(physical) is None


@pytest.mark.parametrize("prefix", ["", "lab-"])
def test_prefix_name_and_ending_fit_into_80_characters(prefix: str) -> None:
    longest = 80 - len(prefix) - len("-dead")
    assert len(Naming(prefix).physical("x" * longest)) == 75
    with pytest.raises(Misconfigured, match="too long for SQS"):
        Naming(prefix).physical("x" * (longest + 1))


@pytest.mark.parametrize("name", ["requests-dead", "-dead", "a b", "", "x" * 81])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured):
        Naming("lab-").physical(name)


def test_a_prefix_that_is_none_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"lab\.requests"):
        Naming("lab.").physical("requests")


def test_one_response_queue_stands_for_all() -> None:
    naming = Naming("lab-", "answers")
    assert naming.physical("responses-a") == naming.physical("responses-b") == "answers"
    assert naming.is_fixed("responses-a")
    assert naming.physical("requests") == "lab-requests"
    assert not naming.is_fixed("requests")
    assert not Naming("lab-").is_fixed("responses-a")


def test_the_one_response_queue_is_not_listed() -> None:
    naming = Naming("lab-", "lab-responses-all")
    assert naming.name("lab-responses-all") is None
    assert naming.name("lab-responses-all-dead") is None
    assert naming.name("lab-responses-a") == "responses-a"
