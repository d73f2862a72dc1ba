"""The fleet's instances: workers, image builders and the web host."""

from collections import Counter
from collections.abc import Mapping

from burstlens.clouds.ec2 import tags
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.builder import BUILDER
from burstlens.deploy.aws.names import STACK
from burstlens.errors import NotFound

_TAGS = (tags.FLEET, BUILDER, STACK)
"""Of workers, builders and the web host; the value is the fleet."""

_BATCH = 100
_END_SECONDS = 900.0
_ALIVE = ("pending", "running", "stopping", "stopped", "shutting-down")


def instances_by_state(account: Account) -> Counter[str]:
    """How many instances that are not terminated are the fleet's, by EC2's state."""
    return Counter(_instances(account).values())


def terminate_all(account: Account) -> bool:
    """Terminate every instance that is not ending yet, and return at once: whether there was any, an ending one too."""
    found = _instances(account)
    ids = [instance for instance, state in found.items() if state != "shutting-down"]
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        try:
            account.ask("ec2", "terminate_instances", InstanceIds=batch)
        except NotFound:
            continue  # one of them is gone, and EC2 has refused the whole batch: whoever polls comes back
        account.say(f"  terminating {', '.join(batch)}")
    return bool(found)


def end_all(account: Account) -> None:
    """Terminate instances until there is none: somebody may be launching still."""
    for _ in account.polls("the end of the instances", _END_SECONDS):
        if not terminate_all(account):
            return


def _instances(account: Account) -> Mapping[str, str]:
    """State by id."""
    filters = [
        {"Name": "tag-key", "Values": list(_TAGS)},
        {"Name": "instance-state-name", "Values": list(_ALIVE)},
    ]
    return {
        instance["InstanceId"]: instance["State"]["Name"]
        for page in account.pages("ec2", "describe_instances", Filters=filters, MaxResults=1000)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        if account.names.fleet in map(tags.as_mapping(instance["Tags"]).get, _TAGS)
    }
