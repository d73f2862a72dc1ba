"""The snapshots of a fleet's images: found by tag, since one may outlive its image, and deleted."""

from typing import TYPE_CHECKING

from burstlens.aws.session import AwsSession, call, pages
from burstlens.clock import Clock
from burstlens.clouds.ec2.tags import FLEET
from burstlens.errors import Misconfigured

if TYPE_CHECKING:
    from botocore.client import BaseClient

_POLL_SECONDS = 3.0
_USED_SECONDS = 120.0
"""How long EC2 may believe that an image which was just deregistered still has a snapshot."""


class Snapshots:
    """The snapshots of one fleet in one region."""

    def __init__(self, session: AwsSession, fleet: str, clock: Clock) -> None:
        self._ec2: BaseClient = session.client("ec2")
        self._fleet = fleet
        self._clock = clock

    async def all(self) -> list[str]:
        """The ids of those that carry the fleet's tag, pending ones too."""
        filters = [{"Name": f"tag:{FLEET}", "Values": [self._fleet]}]
        listed = pages(self._ec2, "describe_snapshots", OwnerIds=["self"], Filters=filters, MaxResults=1000)
        return sorted([snapshot["SnapshotId"] async for page in listed for snapshot in page["Snapshots"]])

    async def remove(self, snapshot: str) -> None:
        """Delete it. One that is gone already is fine.

        Raises:
            Misconfigured: an image still has it.
        """
        until = self._clock.now() + _USED_SECONDS
        while True:
            try:
                await call(self._ec2, "delete_snapshot", SnapshotId=snapshot)
            except Misconfigured as error:
                if "InvalidSnapshot.NotFound" in str(error):
                    return
                if "InvalidSnapshot.InUse" not in str(error) or self._clock.now() >= until:
                    raise
                await self._clock.sleep(_POLL_SECONDS)
            else:
                return
