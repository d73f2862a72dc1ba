"""`down`: nothing of a fleet is left, but what is to be kept."""

import asyncio

from burstlens.deploy.aws.access_keys import private_user, remove_access_keys
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.exports import remove_exports
from burstlens.deploy.aws.images import Images
from burstlens.deploy.aws.inventory import Inventory, take_inventory
from burstlens.deploy.aws.machines import end_all, terminate_all
from burstlens.deploy.aws.messaging import remove_queues
from burstlens.deploy.aws.names import BUCKETS
from burstlens.deploy.aws.snapshots import Snapshots
from burstlens.deploy.aws.stack import delete_stack, find_stack, settled
from burstlens.deploy.aws.storage import has_bucket, remove_bucket
from burstlens.errors import Misconfigured

_LISTED_SECONDS = 180.0
"""How long AWS may list what has gone: SQS says up to 60 seconds."""


def down(account: Account, *, kept_buckets: tuple[str, ...] = ()) -> Inventory:
    """Remove the fleet. It may be repeated after dying at any point, and whenever there is nothing.

    The order matters. While there is a launch template, an autoscaler somewhere may launch: so one in a private cloud
    loses its access key first, the host of the fleet's own goes with the instances, whatever is launched until the
    template is gone goes with the stack, and what was launched last is looked for again afterwards. By then there is
    none: a security group goes only when no instance has it.

    Args:
        account: where.
        kept_buckets: which of `BUCKETS` to keep with all that is in them.

    Returns:
        What is left: no more than the kept buckets.

    Raises:
        Unavailable: something does not go, or has come back; the text says what.
    """
    stack = find_stack(account)
    if stack and stack.in_progress and stack.status != "DELETE_IN_PROGRESS":
        account.say(f"the stack {account.names.stack} is {stack.status}: waiting")
        stack = settled(account, stack)
    user = private_user(account, stack)
    remove_access_keys(account, user)
    end_all(account)
    if stack:
        delete_stack(account, stack, meanwhile=lambda: _remove_late(account, user))
    end_all(account)
    remove_queues(account)
    remove_exports(account)
    _remove_images(account)
    for kind in BUCKETS:
        if kind not in kept_buckets and has_bucket(account, kind):
            remove_bucket(account, kind)
    return _what_is_left(account, kept_buckets)


def _remove_late(account: Account, user: str) -> None:
    """Remove what somebody has made since this began, and the stack cannot be deleted with."""
    terminate_all(account)
    remove_access_keys(account, user)


def _remove_images(account: Account) -> None:
    whose = (account.session, account.names.fleet, account.clock)
    images, snapshots = Images(*whose), Snapshots(*whose)
    for image in asyncio.run(images.all()):
        asyncio.run(images.remove(image))
        account.say(f"  deregistered {image.id} and deleted its snapshots")
    for snapshot in asyncio.run(snapshots.all()):
        try:
            asyncio.run(snapshots.remove(snapshot))
        except Misconfigured as error:  # an image of somebody else needs it; what is left is told at the end
            account.say(f"  {snapshot} stays: {error}")
        else:
            account.say(f"  deleted {snapshot}")


def _what_is_left(account: Account, kept_buckets: tuple[str, ...]) -> Inventory:
    """Look until only what is kept is listed."""
    for _ in account.polls("the end of what AWS still lists", _LISTED_SECONDS):
        inventory = take_inventory(account)
        if inventory.is_empty(besides=kept_buckets):
            return inventory
        for line in inventory.lines():
            account.say(f"  still listed: {line}")
    raise AssertionError
