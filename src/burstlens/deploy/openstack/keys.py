"""The web host's AWS credentials: access keys of the IAM user that `burstlens deploy aws up --private-cloud` makes."""

from dataclasses import dataclass, field

from burstlens.aws.session import AwsSession, call_blocking
from burstlens.errors import Misconfigured, NotFound

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
