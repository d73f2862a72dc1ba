"""An AWS account on a double: what is in it, and a process that dies at any of its calls to it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.client import BaseClient

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.clouds.ec2 import tags
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.parameters import Wish
from burstlens.deploy.aws.up import Order
from burstlens.errors import NotFound
from burstlens.queues.base import QueueOptions
from support.aws_doubles import REGION

FLEET = "burstlens"
IMAGE = "ami-12c6146b"
"""One that moto has."""

Content = dict[str, Any]


MOTO = "123456789012"
"""The account of moto."""

_CLIENTS: dict[str, dict[str, BaseClient]] = {}


class Died(BaseException):
    """The process was killed."""


class HastyClock(SystemClock):
    """Hours pass at once, as far as deadlines go; a double needs some real time to get on."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return super().now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        self._ahead += seconds
        await super().sleep(min(seconds, 0.02))


def account_at(url: str, fleet: str = FLEET, lines: list[str] | None = None) -> Account:
    """A fleet in the double's account; what is said goes to `lines`."""
    say: Callable[[str], None] = (lambda _: None) if lines is None else lines.append
    account = Account(AwsSession(AwsOptions(endpoint=url, region=REGION)), fleet, HastyClock(), say)
    account._clients = _CLIENTS.setdefault(url, {})  # to make one takes longer than most calls
    return account


def order(**wish: Any) -> Order:  # noqa: ANN401
    """What `up` is asked for."""
    return Order(Wish(**wish), QueueOptions(), lambda port, _: f"#cloud-config\n# port {port}\n")


def reset(url: str) -> None:
    """Empty the double's account."""
    with closing(HTTPConnection(url.removeprefix("http://"))) as double:
        for path in ("/moto-api/reset", "/_ministack/reset"):
            double.request("POST", path)
            answer = double.getresponse()
            answer.read()
            if answer.status == 200:
                return
    raise AssertionError


def launch(account: Account, *, count: int, tag: str = tags.FLEET) -> None:
    """Launch instances as the autoscaler would."""
    account.ask(
        "ec2",
        "run_instances",
        ImageId=IMAGE,
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags.as_list({tag: account.names.fleet})}],
    )


class Calls:
    """Counts the calls of all clients, and makes the process die at one of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.dies_at: int | None = None
        self.happens = False
        """Whether the call at which it dies still happens."""

    def reach(self, make: Callable[..., object], client: BaseClient, name: str, parameters: object) -> object:
        """Make the call, or die."""
        number = len(self.names)
        self.names.append(name)
        if self.dies_at is not None and number >= self.dies_at:
            if number == self.dies_at and self.happens:
                make(client, name, parameters)
            raise Died
        return make(client, name, parameters)


@contextmanager
def calls() -> Iterator[Calls]:
    """Watch the calls of all clients."""
    watched = Calls()
    make = BaseClient._make_api_call  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            BaseClient, "_make_api_call", lambda client, name, given: watched.reach(make, client, name, given)
        )
        yield watched


CHANGES_NOTHING = ("Describe", "Get", "List", "Head")
"""How the names of such calls begin: whether the last one happened makes no difference."""


def content(account: Account) -> Content:
    """Everything in the account that a deployment may leave, without what is random or a time."""
    found: Content = {
        "stacks": [
            (
                stack["StackName"],
                stack["StackStatus"].partition("_")[2],
                sorted(map(_pair, stack.get("Parameters", ()))),
            )
            for stack in account.ask("cloudformation", "describe_stacks")["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
        ],
        "roles": sorted(_name(role["RoleName"]) for role in account.ask("iam", "list_roles")["Roles"]),
        "policies": sorted(
            _name(policy["PolicyName"])
            for policy in account.ask("iam", "list_policies", Scope="Local")["Policies"]
            if account.names.account != MOTO  # its stacks leave these behind
        ),
        "profiles": sorted(
            (_name(profile["InstanceProfileName"]), [_name(role["RoleName"]) for role in profile["Roles"]])
            for profile in account.ask("iam", "list_instance_profiles")["InstanceProfiles"]
        ),
        "groups": sorted(
            group["Description"] for group in account.ask("ec2", "describe_security_groups")["SecurityGroups"]
        ),
        "launch templates": sorted(
            template["LaunchTemplateName"]
            for template in account.ask("ec2", "describe_launch_templates")["LaunchTemplates"]
        ),
        "instances": sorted(
            json.dumps(sorted(map(_pair, instance.get("Tags", ()))))
            for reservation in account.ask("ec2", "describe_instances")["Reservations"]
            for instance in reservation["Instances"]
            if instance["State"]["Name"] not in {"terminated", "shutting-down"}
        ),
        "images": [image["ImageId"] for image in account.ask("ec2", "describe_images", Owners=["self"])["Images"]],
        "queues": {
            url.rpartition("/")[2]: _attributes(account, url)
            for url in sorted(account.ask("sqs", "list_queues").get("QueueUrls", ()))
        },
        "buckets": {
            bucket["Name"]: _bucket(account, bucket["Name"]) for bucket in account.ask("s3", "list_buckets")["Buckets"]
        },
    }
    found["change sets"] = [
        change_set["ChangeSetName"]
        for name, *_ in found["stacks"]
        for change_set in account.ask("cloudformation", "list_change_sets", StackName=name)["Summaries"]
        if change_set["ExecutionStatus"] in {"AVAILABLE", "UNAVAILABLE"}
    ]
    return found


def _attributes(account: Account, url: str) -> dict[str, str]:
    attributes = account.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {name: value for name, value in attributes.items() if not name.endswith("Timestamp")}


def _bucket(account: Account, name: str) -> Content:
    def found(operation: str) -> Content | None:
        """Moto's stacks leave some of it out."""
        try:
            return {**account.ask("s3", operation, Bucket=name), "ResponseMetadata": None}
        except NotFound:
            return None

    return {
        "lifecycle": found("get_bucket_lifecycle_configuration"),
        "access": found("get_public_access_block"),
        "encryption": found("get_bucket_encryption"),
        "policy": found("get_bucket_policy"),
        "objects": account.ask("s3", "list_objects_v2", Bucket=name)["KeyCount"],
    }


def _pair(item: dict[str, str]) -> tuple[str, str]:
    """A parameter or a tag. Which network it is is the double's choice."""
    key = item.get("ParameterKey") or item["Key"]
    return key, item.get("ParameterValue") or item.get("Value") or ""


def _name(generated: str) -> str:
    """A name that CloudFormation made, without its random end."""
    return re.sub(r"-[A-Za-z0-9]+$", "", generated)
