"""What a queue has and what it should have."""

import json

from burstlens.queues.base import QueueOptions
from burstlens.queues.sqs.attributes import Found, changes, wanted

OPTIONS = QueueOptions(lease_seconds=29.5, max_attempts=3)
ARN = "arn:aws:sqs:eu-central-1:000000000000:lab-requests-dead"


def test_a_new_queue_has_what_was_asked_for() -> None:
    attributes = wanted(OPTIONS, ARN)
    assert json.loads(attributes.pop("RedrivePolicy")) == {"deadLetterTargetArn": ARN, "maxReceiveCount": 6}
    assert attributes == {
        "VisibilityTimeout": "30",
        "ReceiveMessageWaitTimeSeconds": "20",
        "SqsManagedSseEnabled": "true",
    }


def test_a_new_queue_needs_no_change() -> None:
    assert changes(Found("url", wanted(OPTIONS, ARN)), OPTIONS, ARN) == {}


def test_a_policy_that_says_the_same_otherwise_needs_no_change() -> None:
    policy = f'{{"maxReceiveCount":"6","deadLetterTargetArn":"{ARN}"}}'
    assert changes(Found("url", {**wanted(OPTIONS, ARN), "RedrivePolicy": policy}), OPTIONS, ARN) == {}


def test_only_what_differs_is_changed_and_the_rest_is_the_operators() -> None:
    queue = Found("url", {**wanted(OPTIONS, ARN), "ReceiveMessageWaitTimeSeconds": "0", "KmsMasterKeyId": "own"})
    assert changes(queue, OPTIONS, ARN) == {}
    assert changes(queue, QueueOptions(lease_seconds=60, max_attempts=3), ARN) == {"VisibilityTimeout": "60"}
    assert changes(queue, QueueOptions(lease_seconds=30, max_attempts=4), ARN).keys() == {"RedrivePolicy"}


def test_a_queue_without_a_policy_gets_one() -> None:
    queue = Found("url", {"VisibilityTimeout": "30"})
    assert (queue.dead_letter_arn, queue.dead_letter_name, queue.max_receives) == (None, None, 0)
    assert changes(queue, OPTIONS, ARN).keys() == {"RedrivePolicy"}


def test_the_policy_names_the_dead_letter_queue() -> None:
    assert Found("url", wanted(OPTIONS, ARN)).dead_letter_name == "lab-requests-dead"
