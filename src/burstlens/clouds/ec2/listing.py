"""What EC2 lists, as the port's instances."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from burstlens.aws.session import pages
from burstlens.clouds.base import Instance, State
from burstlens.clouds.ec2 import tags

if TYPE_CHECKING:
    from botocore.client import BaseClient

_PAGE = 1000
"""The most that DescribeInstances returns at once."""

_STATES = {
    "pending": State.PENDING,
    "running": State.RUNNING,
    "shutting-down": State.DRAINING,
    "stopping": State.DRAINING,
    "stopped": State.FAILED,
    "terminated": State.TERMINATED,
}

_STILLBORN = frozenset(
    {
        "Client.InternalError",
        "Client.InvalidSnapshot.NotFound",
        "Client.VolumeLimitExceeded",
        "Server.InsufficientInstanceCapacity",
        "Server.InternalError",
    }
)
"""Reasons of an instance that was accepted and then ended by EC2 before it ran. Source: StateReason in the EC2 API."""


async def described(client: "BaseClient", filters: Mapping[str, str]) -> list[Instance]:
    """All instances that match, oldest first; terminated ones too, for the hour or so that EC2 still lists them.

    Raises:
        BurstlensError: a page failed; a part is never returned.
    """
    asked = [{"Name": name, "Values": [value]} for name, value in filters.items()]
    found: list[Instance] = []
    async for page in pages(client, "describe_instances", Filters=asked, MaxResults=_PAGE):
        found += instances_in(page)
    return sorted(found, key=lambda instance: (instance.launched_at, instance.name))


def instances_in(answer: Mapping[str, Any]) -> Iterator[Instance]:
    """The instances of an answer of DescribeInstances."""
    for reservation in answer.get("Reservations", ()):
        yield from map(instance_from, reservation.get("Instances", ()))


def instance_from(item: Mapping[str, Any]) -> Instance:
    """One instance, as DescribeInstances and RunInstances show it.

    One that EC2 ended before it ran is `TERMINATED` with a `fault`.
    """
    own = tags.as_mapping(item.get("Tags", ()))
    said = item["State"]["Name"]
    state = _STATES[said]
    if tags.DRAIN in own and state in {State.PENDING, State.RUNNING}:
        state = State.DRAINING
    reason = item.get("StateReason", {})
    why = reason.get("Message", "")
    fault = f"EC2 ended it at its launch: {why}" if reason.get("Code") in _STILLBORN else ""
    if state is State.FAILED:
        fault = f"it is {said}: {why}" if why else f"it is {said}"
    return Instance(
        id=item["InstanceId"],
        name=own.get(tags.NAME) or item["InstanceId"],
        pool=own.get(tags.POOL, ""),
        state=state,
        launched_at=item["LaunchTime"].timestamp(),
        fault=fault,
    )
