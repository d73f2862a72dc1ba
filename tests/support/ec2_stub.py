"""A client of EC2 that sends nothing: botocore checks each request against the real shapes and gives canned answers."""

import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.stub import ANY, Stubber

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clouds.ec2 import tags
from support.aws_doubles import REGION

if TYPE_CHECKING:
    from botocore.client import BaseClient

LAUNCHED = dt.datetime(2025, 11, 24, 12, 0, 0, tzinfo=dt.UTC)


@functools.cache
def _client() -> "BaseClient":
    """Reading the model of EC2 takes 0.2 s, so it is read once for all tests."""
    return AwsSession(AwsOptions(region=REGION)).client("ec2")


class StubbedSession(AwsSession):
    """Its one client answers what the test has put into `stub`, in that order, and nothing else."""

    def __init__(self) -> None:
        super().__init__(AwsOptions(region=REGION))
        self.ec2 = _client()
        self.stub = Stubber(self.ec2)

    def client(self, service: str) -> "BaseClient":
        assert service == "ec2"
        return self.ec2

    def lists(self, *items: Mapping[str, Any], more: str = "", asked: Mapping[str, Any] | None = None) -> None:
        """One answer of DescribeInstances; `more` is the token of the next page."""
        answer: dict[str, Any] = {"Reservations": [{"Instances": list(items)}]}
        if more:
            answer["NextToken"] = more
        self.stub.add_response("describe_instances", answer, asked)

    def runs(self, item: Mapping[str, Any], asked: Mapping[str, Any] | None = None) -> None:
        """One answer of RunInstances."""
        self.stub.add_response("run_instances", {"Instances": [item]}, asked)

    def refuses(self, operation: str, code: str, message: str = "no", status: int = 400) -> None:
        """One error."""
        self.stub.add_client_error(operation, code, message, status)


def item(
    instance_id: str = "i-0123456789abcdef0",
    name: str = "app-tier-1",
    state: str = "running",
    reason: tuple[str, str] | None = None,
    more_tags: Sequence[str] = (),
) -> dict[str, Any]:
    """An instance as the API shows it."""
    own = {tags.NAME: name, tags.FLEET: "fleet-a", tags.POOL: "burst"} if name else {tags.FLEET: "fleet-a"}
    shown: dict[str, Any] = {
        "InstanceId": instance_id,
        "State": {"Name": state},
        "LaunchTime": LAUNCHED,
        "Tags": tags.as_list(own | dict.fromkeys(more_tags, "1")),
    }
    if reason:
        shown["StateReason"] = {"Code": reason[0], "Message": reason[1]}
    return shown


__all__ = ["ANY", "LAUNCHED", "StubbedSession", "item"]
