"""What workers outside AWS are allowed; that it is what the role of the fleet's stack allows is tested with that."""

import json
from dataclasses import replace
from typing import Any

import pytest

from burstlens.aws.worker_policy import MAX_CHARACTERS, Reach, session_policy
from burstlens.errors import Misconfigured

ROLE = "arn:aws:iam::123456789012:role/cams-private-worker"
REACH = Reach(
    requests="cams-requests",
    dead_letters="cams-requests-dead",
    responses="cams-responses-*",
    inputs="s3://shared/in",
    outputs="s3://shared/out/a%20b",
    fleet="s3://cams-fleet",
)


def allowed(reach: Reach, role: str = ROLE, region: str = "eu-central-1") -> dict[str, set[str]]:
    """The resources of each action."""
    found: dict[str, set[str]] = {}
    policy: dict[str, Any] = json.loads(session_policy(reach, role, region))
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            found.setdefault(action, set()).update(statement["Resource"])
    return found


def test_a_worker_takes_from_the_request_queue_and_answers_to_the_others() -> None:
    may = allowed(REACH)
    sqs = "arn:aws:sqs:eu-central-1:123456789012:"

    assert may["sqs:ReceiveMessage"] == may["sqs:DeleteMessage"] == {sqs + "cams-requests"}
    assert may["sqs:SendMessage"] == {sqs + "cams-requests-dead", sqs + "cams-responses-*"}
    assert may["sqs:GetQueueUrl"] == {
        sqs + name for name in ("cams-requests", "cams-requests-dead", "cams-responses-*")
    }


def test_a_folder_of_a_bucket_that_others_use_is_all_that_is_read_and_written_in_it() -> None:
    may = allowed(REACH)
    written = {"arn:aws:s3:::shared/in/*", "arn:aws:s3:::shared/out/a b/*", "arn:aws:s3:::cams-fleet/*"}

    assert may["s3:PutObject"] == may["s3:GetObject"] == written
    assert may["s3:DeleteObject"] == {"arn:aws:s3:::cams-fleet/*"}
    assert may["s3:ListBucket"] == {"arn:aws:s3:::shared", "arn:aws:s3:::cams-fleet"}


def test_a_model_is_read_with_what_is_beside_it_and_written_by_nobody() -> None:
    may = allowed(replace(REACH, models=("s3://models/birds/v1.onnx", "s3://models/birds/v1.toml")))

    assert "arn:aws:s3:::models/birds/*" in may["s3:GetObject"]
    assert not [place for place in may["s3:PutObject"] if "models" in place]


def test_another_partition_has_other_names() -> None:
    may = allowed(REACH, "arn:aws-cn:iam::123456789012:role/cams-private-worker", "cn-north-1")

    assert {place.split(":")[1] for action, places in may.items() for place in places if place != "*"} == {"aws-cn"}


def test_the_longest_names_of_a_fleet_fit() -> None:
    fleet, where = "a" * 27, "123456789012-ap-southeast-99"
    reach = Reach(
        requests=f"{fleet}-requests",
        dead_letters=f"{fleet}-requests-dead",
        responses=f"{fleet}-responses-*",
        inputs=f"s3://{fleet}-inputs-{where}",
        outputs=f"s3://{fleet}-outputs-{where}",
        fleet=f"s3://{fleet}-fleet-{where}",
    )
    assert len(session_policy(reach, ROLE, "ap-southeast-99")) < MAX_CHARACTERS


def test_names_that_sts_would_not_take_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"STS takes 2,048: shorten the names"):
        session_policy(replace(REACH, inputs="s3://shared/" + "deep/" * 300), ROLE, "eu-central-1")
