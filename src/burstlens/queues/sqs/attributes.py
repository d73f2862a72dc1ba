"""What SQS says of a queue, and what we want it to say.

The attributes that `wanted` names are those that a deployment sets too, so that a worker that may not change them need
not. Source of names and limits: the CreateQueue page of SQS's API reference.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from burstlens.queues.base import BURIAL_ATTEMPTS, QueueOptions
from burstlens.queues.sqs.limits import MAX_WAIT_SECONDS, whole_seconds

DEAD_LETTER_ATTRIBUTES = {"MessageRetentionPeriod": str(14 * 86400), "SqsManagedSseEnabled": "true"}
"""Of a new dead-letter queue: a message is kept for 14 days, the most that SQS does, from when it was first sent."""


@dataclass(frozen=True, slots=True)
class Found:
    """A queue that exists."""

    url: str
    attributes: Mapping[str, str]

    @property
    def arn(self) -> str:
        """Its name among everything on AWS."""
        return self.attributes["QueueArn"]

    @property
    def max_bytes(self) -> int:
        """Of a message, with its attributes."""
        return int(self.attributes["MaximumMessageSize"])

    @property
    def lease_seconds(self) -> float:
        """What a receive is given."""
        return float(self.attributes["VisibilityTimeout"])

    @property
    def dead_letter_arn(self) -> str | None:
        """Where SQS moves what was received too often."""
        arn = self._redrive_policy.get("deadLetterTargetArn")
        return None if arn is None else str(arn)

    @property
    def dead_letter_name(self) -> str | None:
        """The physical name of that queue."""
        return None if self.dead_letter_arn is None else self.dead_letter_arn.rpartition(":")[2]

    @property
    def max_receives(self) -> int:
        """How often SQS delivers a message before it moves it; 0 when it never does."""
        return int(self._redrive_policy.get("maxReceiveCount", 0))

    @property
    def _redrive_policy(self) -> Mapping[str, str | int]:
        policy: Mapping[str, str | int] = json.loads(self.attributes.get("RedrivePolicy") or "{}")
        return policy


def wanted(options: QueueOptions, dead_letter_arn: str) -> dict[str, str]:
    """The attributes of a new queue."""
    return {
        "VisibilityTimeout": str(whole_seconds(options.lease_seconds)),
        "RedrivePolicy": _redrive_policy(options, dead_letter_arn),
        "ReceiveMessageWaitTimeSeconds": str(MAX_WAIT_SECONDS),
        "SqsManagedSseEnabled": "true",
    }


def changes(queue: Found, options: QueueOptions, dead_letter_arn: str) -> dict[str, str]:
    """What must be set on an existing queue to give it these options; what else it has is the operator's."""
    different = {}
    if queue.lease_seconds != whole_seconds(options.lease_seconds):
        different["VisibilityTimeout"] = str(whole_seconds(options.lease_seconds))
    if (queue.dead_letter_arn, queue.max_receives) != (dead_letter_arn, options.max_attempts + BURIAL_ATTEMPTS):
        different["RedrivePolicy"] = _redrive_policy(options, dead_letter_arn)
    return different


def _redrive_policy(options: QueueOptions, dead_letter_arn: str) -> str:
    most = options.max_attempts + BURIAL_ATTEMPTS
    return json.dumps({"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": most})
