"""The access keys of the fleet's user in a private cloud. No stack knows them, nor can delete a user that has one."""

from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.stack import Stack
from burstlens.errors import NotFound

_USER = "PrivateWebUser"
"""Resource of template.yaml."""
_NOT_THERE = frozenset({"CREATE_FAILED", "DELETE_COMPLETE"})


def private_user(account: Account, stack: Stack | None) -> str:
    """Name of the user that this stack has made; empty when it has made none.

    Users are the account's, and not a region's: that of a fleet of the same name elsewhere is called the same.
    """
    if stack is None or not stack.private_cloud:
        return ""
    for found in account.ask("cloudformation", "describe_stack_resources", StackName=stack.id)["StackResources"]:
        if found.get("LogicalResourceId") == _USER and found.get("ResourceStatus") not in _NOT_THERE:
            return str(found.get("PhysicalResourceId", ""))
    return ""


def remove_access_keys(account: Account, user: str) -> None:
    """Delete every key of this user, unless its name is empty: whoever uses the key is shut out.

    May be repeated; a user that is gone is fine.
    """
    if not user:
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
