"""The access keys of the fleet's user in a private cloud. No stack knows them, nor can delete a user that has one."""

from dataclasses import dataclass, field

from burstlens.aws.session import AwsSession, call_blocking
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.stack import Stack
from burstlens.errors import Misconfigured, NotFound

_USER = "PrivateWebUser"
"""Resource of template.yaml."""
_NOT_THERE = frozenset({"CREATE_FAILED", "DELETE_COMPLETE"})
_MOST = 2
"""Access keys of one user (IAM User Guide, "IAM and AWS STS quotas")."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One that was made now: AWS tells its secret once."""

    id: str
    secret: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """As botocore reads it."""
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}


class AccessKeys:
    """Those of one user, who has no others. Every call blocks, and raises `BurstlensError` as AWS's error means."""

    def __init__(self, session: AwsSession, user: str) -> None:
        self.user = user
        self._session = session

    def ids(self) -> list[str] | None:
        """Of all of them, the oldest first; None when there is no such user."""
        try:
            found = call_blocking(self._session.client("iam"), "list_access_keys", UserName=self.user)
        except NotFound:
            return None
        return [key["AccessKeyId"] for key in sorted(found["AccessKeyMetadata"], key=lambda key: key["CreateDate"])]

    def make(self, kept: str) -> AccessKey:
        """Make one, at the cost of those that are in the way.

        Args:
            kept: id of the one that the web host has, which is not in the way.

        Raises:
            Misconfigured: there is no such user.
        """
        ids = self.ids()
        if ids is None:
            message = f"there is no IAM user {self.user}: `burstlens deploy aws up --private-cloud` makes it"
            raise Misconfigured(message)
        for key in [key for key in ids if key != kept][: max(0, len(ids) - _MOST + 1)]:
            self.remove(key)
        made = call_blocking(self._session.client("iam"), "create_access_key", UserName=self.user)["AccessKey"]
        return AccessKey(made["AccessKeyId"], made["SecretAccessKey"])

    def remove(self, key: str) -> None:
        """Remove one that may be gone already."""
        try:
            call_blocking(self._session.client("iam"), "delete_access_key", UserName=self.user, AccessKeyId=key)
        except NotFound:
            return


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
    keys = AccessKeys(account.session, user)
    for key in keys.ids() or ():
        keys.remove(key)
        account.say(f"  removed the access key {key} of {user}")
