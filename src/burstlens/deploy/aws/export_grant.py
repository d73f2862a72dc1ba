"""What lets EC2 write an exported image into the fleet's bucket: a role that exists as long as the export."""

import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from burstlens.aws.session import AwsSession, call
from burstlens.clouds.ec2.tags import FLEET, as_list, as_mapping
from burstlens.errors import NotFound

if TYPE_CHECKING:
    from botocore.client import BaseClient

_SERVICE, _EXTERNAL_ID = "vmie.amazonaws.com", "vmimport"
"""Who takes the role. Source: VM Import/Export User Guide, "Required service role"."""


def role_prefix(fleet: str) -> str:
    """What the name of every role begins with that is made for an export of the fleet; the image's id follows.

    With the longest fleet's it is as long as a role's name may be (64).
    """
    return f"{fleet}-vmdk-"


def trust() -> dict[str, Any]:
    """The role's trust policy: VM Import/Export, and nobody else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": _SERVICE},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:Externalid": _EXTERNAL_ID}},
            }
        ],
    }


def grant(bucket: str, prefix: str, partition: str) -> dict[str, Any]:
    """The role's permissions: those that an export needs, on this bucket and below this prefix only.

    Source: VM Import/Export User Guide, "Required service role", the statement on the export bucket, and of the
    statement on EC2 what reads or copies a snapshot.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:GetBucketLocation", "s3:GetBucketAcl", "s3:ListBucket"],
                "Resource": arn,
            },
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{arn}/{prefix}*"},
            {
                "Effect": "Allow",
                "Action": ["ec2:ModifySnapshotAttribute", "ec2:CopySnapshot", "ec2:RegisterImage", "ec2:Describe*"],
                "Resource": "*",
            },
        ],
    }


class ExportGrant:
    """One role with one inline policy.

    A role that carries the fleet's tag was made here, and is removed; any other gets the policy for the time of the
    export, and stays.
    """

    def __init__(self, session: AwsSession, fleet: str, role: str) -> None:
        self._iam: BaseClient = session.client("iam")
        self._fleet = fleet
        self.role = role
        self._policy = f"{fleet}-image-export"

    async def make(self, bucket: str, prefix: str) -> None:
        """Make the role when it is missing, and give it the policy. May be repeated."""
        role = await self._found()
        if role is None:
            made = await call(
                self._iam,
                "create_role",
                RoleName=self.role,
                AssumeRolePolicyDocument=json.dumps(trust()),
                Description=f"Lets EC2 write exported images of {self._fleet} into its bucket; may be removed",
                Tags=as_list({FLEET: self._fleet}),
            )
            role = made["Role"]
        partition = role["Arn"].split(":")[1]
        await call(
            self._iam,
            "put_role_policy",
            RoleName=self.role,
            PolicyName=self._policy,
            PolicyDocument=json.dumps(grant(bucket, prefix, partition)),
        )

    async def remove(self) -> None:
        """Take the policy away, and the role if it was made for this. What is gone already is fine."""
        role = await self._found()
        if role is None:
            return
        with contextlib.suppress(NotFound):
            await call(self._iam, "delete_role_policy", RoleName=self.role, PolicyName=self._policy)
        if as_mapping(role.get("Tags", ())).get(FLEET) == self._fleet:
            await call(self._iam, "delete_role", RoleName=self.role)

    async def _found(self) -> Mapping[str, Any] | None:
        try:
            role: Mapping[str, Any] = (await call(self._iam, "get_role", RoleName=self.role))["Role"]
        except NotFound:
            return None
        return role
