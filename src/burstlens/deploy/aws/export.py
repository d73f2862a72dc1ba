"""An image as a VMDK file in the fleet's bucket, for a cloud of your own: EC2 writes it, which takes an hour or so."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from burstlens.aws.session import AwsSession, call, pages
from burstlens.clock import Clock
from burstlens.clouds.ec2.tags import FLEET, as_list, as_mapping
from burstlens.deploy.aws.builder import Say
from burstlens.deploy.aws.export_grant import ExportGrant, role_prefix
from burstlens.deploy.aws.fleet_bucket import FleetBucket
from burstlens.deploy.aws.images import Image
from burstlens.deploy.aws.uninterrupted import uninterrupted
from burstlens.errors import BurstlensError, Misconfigured, Throttled, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

_FOLDER = "exports/"
_POLL_SECONDS = 15.0
_SECONDS = 6 * 3600.0
_ROLE_SECONDS = 90.0
"""How long a new role may be unknown to EC2: IAM tells the other services "eventually", in practice within a minute."""


class Exporter:
    """Exports images of one fleet.

    Args:
        role: name of a role of the account that VM Import/Export may take; empty makes one for the time of the export.
    """

    def __init__(
        self, session: AwsSession, fleet: str, bucket: FleetBucket, clock: Clock, say: Say, role: str = ""
    ) -> None:
        self._session = session
        self._ec2: BaseClient = session.client("ec2")
        self._fleet = fleet
        self._bucket = bucket
        self._clock = clock
        self._say = say
        self._role = role

    async def export(self, image: Image) -> tuple[str, int]:
        """Export it; an export of it that is under way, from a run that was killed, is waited for instead.

        Returns:
            The file's key in the fleet's bucket, and its bytes.

        Raises:
            Misconfigured: EC2 cannot export this image.
            Unavailable: the export did not end well.
        """
        if image.encrypted:
            message = (
                f"{image.id} has encrypted disks, which EC2 does not export: bake one without (EBS encryption off)"
            )
            raise Misconfigured(message)
        role = self._role or role_prefix(self._fleet) + image.id.removeprefix("ami-")
        grant = ExportGrant(self._session, self._fleet, role)
        prefix = self._bucket.prefix + _FOLDER
        try:
            await grant.make(self._bucket.name, prefix)
            under_way = await self._under_way(image)
            task = under_way[0] if under_way else await self._start(image, role, prefix)
            await self._completed(task)
        except BaseException:
            await self._cancel(image)
            raise
        finally:
            await grant.remove()
        return await self._file(f"{prefix}{task}.vmdk")

    async def _start(self, image: Image, role: str, prefix: str) -> str:
        wanted = {
            "ImageId": image.id,
            "DiskImageFormat": "VMDK",
            "S3ExportLocation": {"S3Bucket": self._bucket.name, "S3Prefix": prefix},
            "RoleName": role,
            "Description": image.name[:255],
            "TagSpecifications": [{"ResourceType": "export-image-task", "Tags": as_list({FLEET: self._fleet})}],
        }
        until = self._clock.now() + _ROLE_SECONDS
        while True:
            try:
                task = await uninterrupted(call(self._ec2, "export_image", **wanted))
            except Misconfigured as error:
                if "role" not in str(error) or self._clock.now() > until:
                    raise
                await self._clock.sleep(_POLL_SECONDS / 3)
            else:
                return str(task["ExportImageTaskId"])

    async def _completed(self, task: str) -> None:
        until = self._clock.now() + _SECONDS
        told = ""
        while True:
            try:
                found = await self._tasks(ExportImageTaskIds=[task])
            except (Throttled, Unavailable) as error:
                found, line = [], f"{task}: unknown ({error})"  # EC2 works on, whether or not it can be seen
            else:
                status = found[0] if found else {}
                line = f"{task}: {status.get('Status', 'unknown')}, {status.get('Progress', '0')} %"
                line += f", {message}" if (message := status.get("StatusMessage")) else ""
            if line != told:
                self._say(line)
            told = line
            state = found[0]["Status"] if found else "active"
            if state == "completed":
                return
            if state != "active":
                message = f"EC2 did not export the image: {line}"
                raise Unavailable(message)
            if self._clock.now() > until:
                message = f"the export has not ended within {_SECONDS / 3600:.0f} hours: {line}"
                raise Unavailable(message)
            await self._clock.sleep(_POLL_SECONDS)

    async def _cancel(self, image: Image) -> None:
        """Nobody waits for it any more, and what it needs to end is taken away."""
        for task in await self._under_way(image):
            try:
                await call(self._ec2, "cancel_export_task", ExportTaskId=task)
            except BurstlensError as error:
                self._say(f"{task} cannot be cancelled: {error}")
            else:
                self._say(f"{task}: cancelled")

    async def _under_way(self, image: Image) -> list[str]:
        """Exports of this image that were started here."""
        active = await self._tasks(Filters=[{"Name": "task-state", "Values": ["active"]}])
        return [
            str(task["ExportImageTaskId"])
            for task in active
            if task.get("ImageId") == image.id and as_mapping(task.get("Tags", ())).get(FLEET) == self._fleet
        ]

    async def _tasks(self, **which: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - AWS's own shapes
        listed = pages(self._ec2, "describe_export_image_tasks", **which)
        return [task async for page in listed for task in page.get("ExportImageTasks", ())]

    async def _file(self, key: str) -> tuple[str, int]:
        size = await self._bucket.size(key)
        if size is None:
            message = f"EC2 says that the image is exported, but s3://{self._bucket.name}/{key} is not there"
            raise Unavailable(message)
        return key, size
