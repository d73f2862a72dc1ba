"""The access keys of the fleet's user in a private cloud. No stack knows them, nor can delete a user that has one."""

from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.stack import Stack
from burstlens.errors import NotFound

_USER = "PrivateWebUser"
"""Resource of template.yaml."""
_NOT_THERE = frozenset({"CREATE_FAILED", "DELETE_COMPLETE"})


def remove_access_keys(account: Account, stack: Stack | None) -> None:
    """Delete every key of the user that this stack has, if it has one: whoever uses the key is shut out.

    May be repeated; a user that is gone is fine.
    """
    if stack is None or not stack.private_cloud:
        return
    user = account.names.private_web_user
    if not _has(account, stack, user):
        return
    try:
        keys = account.ask("iam", "list_access_keys", UserName=user)["AccessKeyMetadata"]
    except NotFound:
        return
    for key in keys:
        try:
            account.ask("iam", "delete_access_key", UserName=user, AccessKeyId=key["AccessKeyId"])
        except NotFound:
            continue
        account.say(f"  deleted the access key {key['AccessKeyId']} of {user}")


def _has(account: Account, stack: Stack, user: str) -> bool:
    """Whether the stack has made the user: a fleet of this name in another region has one of the same name."""
    for found in account.ask("cloudformation", "describe_stack_resources", StackName=stack.id)["StackResources"]:
        if found.get("LogicalResourceId") == _USER and found.get("ResourceStatus") not in _NOT_THERE:
            return bool(found.get("PhysicalResourceId") == user)
    return False
