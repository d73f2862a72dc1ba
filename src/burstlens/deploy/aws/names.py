"""What a fleet's things on AWS are called. `template.yaml` says the same, in CloudFormation's words."""

import re
from dataclasses import dataclass

from burstlens.errors import Misconfigured

STACK = "burstlens:stack"
"""Tag of everything in a fleet's stack; its value is the fleet. It is not the tag of the fleet's workers: no autoscaler
may count the web host, or end it."""

CHANGE_SET = "burstlens-"
"""What the name of every change set of ours begins with."""

INPUTS, OUTPUTS, FLEET = "inputs", "outputs", "fleet"
BUCKETS = (INPUTS, OUTPUTS, FLEET)

_MAX_FLEET = 27
"""A bucket's name has at most 63 characters: ``-outputs-``, an account of 12 and a region of 14 take the others."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one fleet in one account and region.

    Raises:
        Misconfigured: on creation, when things cannot be named after this fleet.
    """

    fleet: str
    account: str
    region: str
    partition: str = "aws"
    """What every ARN there begins with, behind ``arn:``."""

    def __post_init__(self) -> None:
        problem = ""
        if len(self.fleet) > _MAX_FLEET:
            problem = f"is longer than {_MAX_FLEET} characters, and names of buckets hold no more"
        elif not re.fullmatch(r"[a-z][a-z0-9-]*", self.fleet):
            problem = "is no name of a fleet: lower-case letters, digits and -, a letter first"
        elif re.search(r"-(requests|responses)(-|$)", self.fleet):
            problem = "looks like a queue of another fleet"
        if problem:
            message = f"fleet: {self.fleet!r} {problem}"
            raise Misconfigured(message)

    @property
    def stack(self) -> str:
        """The CloudFormation stack."""
        return self.fleet

    @property
    def launch_template(self) -> str:
        """What workers have in common."""
        return f"{self.fleet}-worker"

    @property
    def private_web_user(self) -> str:
        """Who the web tier and the autoscaler in a private cloud are."""
        return private_web_user(self.fleet)

    @property
    def private_worker_role(self) -> str:
        """ARN of the role of workers in a private cloud."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.fleet}-private-worker"

    @property
    def queue_prefix(self) -> str:
        """What the name of every queue begins with."""
        return f"{self.fleet}-"

    def bucket(self, kind: str) -> str:
        """The bucket of this kind, one of `BUCKETS`."""
        return f"{self.fleet}-{kind}-{self.account}-{self.region}"

    def owns_queue(self, name: str) -> bool:
        """Whether a queue of this name is the request queue, a response queue, or the dead letters of one."""
        own = re.escape(self.fleet)
        return re.fullmatch(rf"{own}-(requests|requests-dead|responses-.+)", name) is not None


def private_web_user(fleet: str) -> str:
    """The IAM user that the web tier and the autoscaler of this fleet are in a private cloud."""
    return f"{fleet}-private-web"
