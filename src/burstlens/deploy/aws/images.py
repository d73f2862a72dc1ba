"""The images of a fleet: found by tag, made from a stopped builder, removed with their snapshots."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from burstlens.aws.session import AwsSession, call, pages
from burstlens.clock import Clock
from burstlens.clouds.ec2.tags import FLEET, NAME, as_list, as_mapping
from burstlens.deploy.aws.snapshots import Snapshots
from burstlens.errors import Misconfigured, NotFound, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

VERSION = "burstlens:version"
WHEEL = "burstlens:wheel"
BASE = "burstlens:base"
BUILD = "burstlens:build"

DEBIAN_OWNER, DEBIAN_NAME = "136693071363", "debian-12-amd64-*"
"""The Debian project's account and the names of its images, as public scripts for Debian 10 and 11 have them; not
checked for 12. Where it is wrong, none is found, and --base names one."""

_POLL_SECONDS = 5.0
_AVAILABLE_SECONDS = 1800.0
"""The first snapshot of a disk of some GB takes minutes; botocore's own waiter gives up after 600 s."""


@dataclass(frozen=True, slots=True)
class Source:
    """What an image is made from."""

    wheel: str
    """SHA-256, hex."""
    version: str
    base: str
    """The image that its builder started from."""


@dataclass(frozen=True, slots=True)
class Image:
    """One of the fleet's images."""

    id: str
    name: str
    state: str
    """EC2's: ``pending``, ``available``, ``failed`` …"""
    created: str
    """RFC 3339, UTC."""
    gigabytes: int
    """Of its disks, as they were made: what the snapshots take up is less."""
    encrypted: bool
    root_device: str
    """Its name for its root volume, such as ``/dev/xvda``."""
    snapshots: tuple[str, ...]
    source: Source
    build: str
    """See `burstlens.deploy.aws.recipe.Recipe.build`."""

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Self:
        """From DescribeImages."""
        tags = as_mapping(described.get("Tags", ()))
        disks = [mapping["Ebs"] for mapping in described.get("BlockDeviceMappings", ()) if "Ebs" in mapping]
        return cls(
            id=described["ImageId"],
            name=described.get("Name", ""),
            state=described["State"],
            created=described.get("CreationDate", ""),
            gigabytes=sum(disk.get("VolumeSize", 0) for disk in disks),
            encrypted=any(disk.get("Encrypted", False) for disk in disks),
            root_device=described.get("RootDeviceName", ""),
            # A pending image has disks whose snapshots have no name yet.
            snapshots=tuple(disk["SnapshotId"] for disk in disks if "SnapshotId" in disk),
            source=Source(tags.get(WHEEL, ""), tags.get(VERSION, ""), tags.get(BASE, "")),
            build=tags.get(BUILD, ""),
        )


class Images:
    """The images of one fleet in one region."""

    def __init__(self, session: AwsSession, fleet: str, clock: Clock) -> None:
        self._ec2: BaseClient = session.client("ec2")
        self._fleet = fleet
        self._clock = clock
        self._snapshots = Snapshots(session, fleet, clock)

    async def all(self) -> list[Image]:
        """Every image of the fleet, the newest first."""
        return await self._find({f"tag:{FLEET}": self._fleet})

    async def built(self, build: str) -> Image | None:
        """The image of this build, when there is one or it is under way; failed ones are removed here."""
        found = await self._find({f"tag:{FLEET}": self._fleet, f"tag:{BUILD}": build})
        for image in found:
            if image.state in {"failed", "error", "invalid"}:
                await self.remove(image)
            else:
                return image
        return None

    async def create(self, instance: str, source: Source, build: str) -> Image:
        """Make an image of a stopped instance. A build has one image, whoever asks and however often.

        Raises:
            BurstlensError: EC2 refuses.
        """
        tags = {
            NAME: f"{self._fleet} {source.version}",
            FLEET: self._fleet,
            VERSION: source.version,
            WHEEL: source.wheel,
            BASE: source.base,
            BUILD: build,
        }
        try:
            await call(
                self._ec2,
                "create_image",
                InstanceId=instance,
                # Unique in an account, so a call that is repeated because its answer got lost makes no second image.
                Name=f"{self._fleet}-{source.version.replace('+', '-')}-{build}",
                Description=f"burstlens {source.version}",
                # Whoever removes an image that is still pending finds its snapshots by their tags alone.
                TagSpecifications=[{"ResourceType": kind, "Tags": as_list(tags)} for kind in ("image", "snapshot")],
            )
        except (Misconfigured, Unavailable):
            if await self.built(build) is None:
                raise
        until = self._clock.now() + _AVAILABLE_SECONDS
        while (image := await self.built(build)) is None:
            await self._pause(until, f"an image of {instance} that can be found")
        return image

    async def available(self, image: Image) -> Image:
        """Wait until instances can start from it.

        Raises:
            Unavailable: it failed, is gone, or takes too long.
        """
        until = self._clock.now() + _AVAILABLE_SECONDS
        while image.state != "available":
            if image.state != "pending":
                message = f"{image.id} has become {image.state}; bake again"
                raise Unavailable(message)
            await self._pause(until, f"{image.id}")
            image = await self.get(image.id)
        return image

    async def get(self, image_id: str) -> Image:
        """The image of this id, of the fleet.

        Raises:
            NotFound: the fleet has no such image.
        """
        for image in await self._find({f"tag:{FLEET}": self._fleet, "image-id": image_id}):
            return image
        message = f"the fleet {self._fleet} has no image {image_id}; see: burstlens image list"
        raise NotFound(message)

    async def remove(self, image: Image) -> None:
        """Remove it with its snapshots; what is gone of them is fine. Running instances go on.

        Raises:
            Misconfigured: a snapshot cannot be removed.
        """
        answer: Mapping[str, Any] = {}
        try:
            # One act, so that no snapshot is left that nobody knows of; one that another image needs stays.
            answer = await call(self._ec2, "deregister_image", ImageId=image.id, DeleteAssociatedSnapshots=True)
        except (Misconfigured, NotFound) as error:
            if not re.search(r"InvalidAMIID\.(Unavailable|NotFound)", str(error)):
                raise  # those two: it is gone, whether or not EC2 has just listed it
        results = {result["SnapshotId"]: result["ReturnCode"] for result in answer.get("DeleteSnapshotResults", ())}
        for snapshot in image.snapshots:
            if results.get(snapshot) not in {"success", "skipped"}:
                await self._snapshots.remove(snapshot)

    async def base(self, image_id: str) -> str:
        """The image to start from: this one, or for an empty id the newest official Debian 12 of this region.

        Raises:
            NotFound: there is none.
        """
        wanted: dict[str, Any] = (
            {"ImageIds": [image_id]}
            if image_id
            else {
                "Owners": [DEBIAN_OWNER],
                "Filters": _filters({"name": DEBIAN_NAME, "state": "available", "architecture": "x86_64"}),
            }
        )
        found = (await call(self._ec2, "describe_images", **wanted))["Images"]
        if not found:
            message = "this region has no official image of Debian 12: give --base ami-…"
            raise NotFound(message)
        newest: str = max(found, key=lambda image: image.get("CreationDate", ""))["ImageId"]
        return newest

    async def _find(self, filters: Mapping[str, str]) -> list[Image]:
        images: list[Image] = []
        async for page in pages(
            self._ec2, "describe_images", Owners=["self"], Filters=_filters(filters), MaxResults=200
        ):
            # EC2 may list one for a while that is gone.
            images += [image for image in map(Image.parse, page["Images"]) if image.state != "deregistered"]
        return sorted(images, key=lambda image: (image.created, image.id), reverse=True)

    async def _pause(self, until: float, what: str) -> None:
        if self._clock.now() > until:
            message = f"waited {_AVAILABLE_SECONDS / 60:.0f} minutes for {what}; bake again to go on waiting"
            raise Unavailable(message)
        await self._clock.sleep(_POLL_SECONDS)


def _filters(wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": [value]} for name, value in wanted.items()]


def superfluous(images: Iterable[Image], in_use: Iterable[str], keep: int) -> list[Image]:
    """All but the `keep` newest; one that is in use or under way is kept and not counted. Pure."""
    used = set(in_use)
    free = [image for image in images if image.id not in used and image.state != "pending"]
    return sorted(free, key=lambda image: (image.created, image.id), reverse=True)[keep:]
