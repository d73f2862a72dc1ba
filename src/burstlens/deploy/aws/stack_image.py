"""What images have to do with the fleet's stack: what a builder gets of it, and which one its launch template names."""

import uuid

from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.builder import Site
from burstlens.deploy.aws.stack import Stack, failure, find_stack, follow, settled
from burstlens.errors import NotFound

_IMAGE, _ROOT_DEVICE = "ImageId", "RootDevice"
"""Parameters of template.yaml."""
_PROFILE, _GROUP = "WorkerProfile", "BuilderGroup"
"""Resources of template.yaml."""


def builder_site(account: Account, instance_type: str, subnet: str) -> Site:
    """Where a builder runs: with the workers' instance profile, since it may read and write the fleet's bucket.

    Raises:
        NotFound: there is no stack, or it is of a version that had no builders.
    """
    stack = _stack(account)
    resources = account.ask("cloudformation", "describe_stack_resources", StackName=stack.id)["StackResources"]
    ids = {resource.get("LogicalResourceId"): resource.get("PhysicalResourceId", "") for resource in resources}
    for name in (_PROFILE, _GROUP):
        if not ids.get(name):
            message = f"the stack {account.names.stack} has no {name}; run: burstlens deploy aws up"
            raise NotFound(message)
    # Where no pool names a subnet, the security group's own network: EC2 takes no two.
    return Site(instance_type, ids[_PROFILE], subnet or stack.parameters.get("WebSubnetId", ""), ids[_GROUP])


def image_in_use(account: Account) -> str:
    """The id of the image that the launch template names; empty when there is none yet.

    Raises:
        NotFound: there is no stack.
    """
    return _stack(account).parameters.get(_IMAGE, "")


def use_image(account: Account, image: str, root_device: str) -> bool:
    """Let new instances start from this image; everything else of the stack stays as it is. May be repeated.

    Args:
        account: where.
        image: its id.
        root_device: its name for its root volume.

    Returns:
        Whether that is new.

    Raises:
        NotFound: there is no stack.
        Unavailable: CloudFormation rolled the change back; the text says why.
    """
    stack = _stack(account)
    if stack.in_progress:
        settled(account, stack)
        stack = _stack(account)
    wanted = {_IMAGE: image, _ROOT_DEVICE: root_device}
    changes = {name: value for name, value in wanted.items() if stack.parameters.get(name) != value}
    if not changes:
        return False
    after = follow(account, stack, lambda: _update(account, stack, changes))
    if after is None or after.status != "UPDATE_COMPLETE":
        raise failure(account, stack, f"cannot be changed to {image}")
    return True


def _update(account: Account, stack: Stack, changes: dict[str, str]) -> None:
    account.ask(
        "cloudformation",
        "update_stack",
        StackName=stack.id,
        UsePreviousTemplate=True,
        Parameters=[
            *({"ParameterKey": name, "ParameterValue": value} for name, value in changes.items()),
            *({"ParameterKey": name, "UsePreviousValue": True} for name in stack.parameters if name not in changes),
        ],
        Capabilities=["CAPABILITY_NAMED_IAM"],
        # A repeated call whose answer got lost is the same update, not a second one in the way of the first.
        ClientRequestToken=uuid.uuid4().hex,
    )


def _stack(account: Account) -> Stack:
    stack = find_stack(account)
    if stack is None or stack.in_review or stack.never_was:
        message = f"there is no stack {account.names.stack} in {account.names.region}; run: burstlens deploy aws up"
        raise NotFound(message)
    return stack
