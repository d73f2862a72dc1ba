"""`plan` and `up`: from the template to a stack, through a change set that is shown first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from burstlens.deploy.aws.access_keys import private_user, remove_access_keys
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.changes import Proposal, propose, remove_leftovers
from burstlens.deploy.aws.names import BUCKETS
from burstlens.deploy.aws.parameters import CREATE, Wish
from burstlens.deploy.aws.stack import Stack, delete_stack, failure, find_stack, follow, settled
from burstlens.deploy.aws.storage import has_bucket
from burstlens.deploy.aws.template import read_template
from burstlens.errors import Misconfigured
from burstlens.queues.base import QueueOptions

_ROOT_DEVICE = "/dev/xvda"
"""Of Debian's and Amazon's images, as long as there is none to ask."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a fleet is to be."""

    wish: Wish
    queue: QueueOptions
    user_data: Callable[[int, str], str]
    """Cloud-init of the web host, for the port that it serves on and the subnet of the fleet's instances."""


Show = Callable[[Proposal | None], None]
"""Tells the operator what would change; None is nothing."""


def plan(account: Account, order: Order, show: Show) -> None:
    """Show what `up` would change, and change nothing.

    Raises:
        Misconfigured: something is under way, or the stack is in a state that `up` would clear first.
    """
    stack = find_stack(account)
    if stack and not stack.works and not stack.in_review:
        message = f"the stack {account.names.stack} is {stack.status}: `burstlens deploy aws up` goes on from there"
        raise Misconfigured(message)
    if stack and stack.in_review:
        remove_leftovers(account)
        stack = None
    proposal = _proposal(account, order, stack)
    try:
        show(proposal)
    finally:
        if proposal is not None:
            proposal.withdraw(account)


def up(account: Account, order: Order, show: Show, agree: Callable[[], bool]) -> Stack | None:
    """Make the stack what the template and the order say, if the operator agrees.

    It may be repeated after dying at any point.

    Returns:
        The stack; None when the operator does not agree, and then nothing has changed.

    Raises:
        Unavailable: the change failed; the text names the resource that failed first, and why.
    """
    stack = _ready(account)
    proposal = _proposal(account, order, stack)
    if proposal is None:
        show(None)
        return stack
    try:
        show(proposal)
        agreed = agree()
    except BaseException:
        proposal.withdraw(account)
        raise
    if not agreed:
        proposal.withdraw(account)
        return None
    if order.wish.private_cloud is False:
        # An update that cannot delete the user succeeds, and leaves it behind.
        remove_access_keys(account, private_user(account, proposal.stack))
    done = follow(account, proposal.stack, lambda: proposal.execute(account))
    if done is None or done.status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise failure(account, done or proposal.stack, "could not be changed")
    return done


def _ready(account: Account) -> Stack | None:
    """The stack once it can be changed, with nothing of an earlier run in the way; None when there is none."""
    stack = find_stack(account)
    if stack and stack.in_progress:
        account.say(f"the stack {account.names.stack} is {stack.status}: waiting")
        stack = settled(account, stack)
    if stack and stack.never_was:
        account.say(f"the stack {account.names.stack} is {stack.status}: removing what is left of its creation")
        delete_stack(account, stack)
        stack = None
    remove_leftovers(account)
    if stack is None or stack.in_review:
        return None
    if not stack.works:
        hint = {
            "DELETE_FAILED": "run `burstlens deploy aws down` again",
            "UPDATE_ROLLBACK_FAILED": "run `aws cloudformation continue-update-rollback`",
        }.get(stack.status, "see its events")
        raise failure(account, stack, f"is {stack.status} and cannot be changed; {hint}")
    return stack


def _proposal(account: Account, order: Order, stack: Stack | None) -> Proposal | None:
    before = {} if stack is None else stack.parameters
    wanted = order.wish.parameters(account.names.fleet, order.queue, before)
    wanted |= _bucket_switches(account, stack) | _machine(account, wanted)
    host = int(wanted["WebPort"]), wanted["WebSubnetId"]
    wanted["WebUserData"] = order.user_data(*host) if wanted["WithWeb"] == "true" else ""
    return propose(account, stack, read_template(), wanted)


def _bucket_switches(account: Account, stack: Stack | None) -> dict[str, str]:
    """Which buckets the stack makes: those that are its own already, and those that are nowhere."""
    own: set[str] = set()
    if stack is not None:
        for page in account.pages("cloudformation", "list_stack_resources", StackName=stack.id):
            own |= {
                resource["PhysicalResourceId"]
                for resource in page["StackResourceSummaries"]
                if resource["ResourceType"] == "AWS::S3::Bucket"
            }
    switches = {}
    for kind in BUCKETS:
        name = account.names.bucket(kind)
        kept = name not in own and has_bucket(account, kind)
        if kept:
            account.say(f"the bucket {name} is there already, and is used as it is")
        switches[CREATE[kind]] = str(not kept).lower()
    return switches


def _machine(account: Account, wanted: Mapping[str, str]) -> dict[str, str]:
    """What is to be known of the image and of the network."""
    return {"RootDevice": _root_device(account, wanted["ImageId"]), "VpcId": _vpc(account, wanted)}


def _root_device(account: Account, image: str) -> str:
    if not image:
        return _ROOT_DEVICE
    for found in account.ask("ec2", "describe_images", ImageIds=[image])["Images"]:
        return str(found.get("RootDeviceName") or _ROOT_DEVICE)
    message = f"there is no image {image} in {account.names.region}"
    raise Misconfigured(message)


def _vpc(account: Account, wanted: Mapping[str, str]) -> str:
    if subnet := wanted["WebSubnetId"]:
        return str(account.ask("ec2", "describe_subnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"])
    filters = [{"Name": "is-default", "Values": ["true"]}]
    for vpc in account.ask("ec2", "describe_vpcs", Filters=filters)["Vpcs"]:
        return str(vpc["VpcId"])
    message = f"this account has no default VPC in {account.names.region}: name a network with --subnet subnet-…"
    raise Misconfigured(message)
