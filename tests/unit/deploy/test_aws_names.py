"""What a fleet's things are called, and which things are its own."""

import pytest

from burstlens.deploy.aws.names import BUCKETS, Names
from burstlens.errors import Misconfigured

LONGEST_REGION = "ap-southeast-1"


def names(fleet: str) -> Names:
    return Names(fleet, "123456789012", LONGEST_REGION)


@pytest.mark.parametrize("fleet", ["a", "burstlens", "a" * 27])
def test_a_bucket_of_any_fleet_has_a_name_that_s3_takes(fleet: str) -> None:
    assert {len(names(fleet).bucket(kind)) <= 63 for kind in BUCKETS} == {True}


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        ("a" * 28, "longer than 27"),
        ("Camera", "no name of a fleet"),
        ("a_b", "no name of a fleet"),
        ("burstlens-responses-web", "looks like a queue of another fleet"),
        ("burstlens-requests", "looks like a queue of another fleet"),
    ],
)
def test_a_fleet_that_nothing_can_be_named_after_is_refused(fleet: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        names(fleet)


@pytest.mark.parametrize(
    ("queue", "own"),
    [
        ("cams-requests", True),
        ("cams-requests-dead", True),
        ("cams-responses-web", True),
        ("cams-responses-web-dead", True),
        ("cams-2-requests", False),
        ("cams-requests-2", False),
        ("cams-archive", False),
        ("cams-responses", False),
        ("xcams-requests", False),
    ],
)
def test_a_fleet_owns_its_request_and_response_queues_alone(queue: str, own: bool) -> None:
    assert names("cams").owns_queue(queue) is own
