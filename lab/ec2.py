"""The stand-in for EC2's hypervisor: each instance that moto says is running gets a machine, and loses it with that."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burstlens.aws.session import call, pages
from burstlens.clouds.ec2.tags import as_mapping
from burstlens.errors import NotFound
from lab.account import ROLE_CREDENTIALS
from lab.hypervisor import BOOT_SECONDS, Hypervisor, insisted
from lab.metadata_server import ENDPOINT_VARIABLE, InstanceMetadata, MetadataServer

if TYPE_CHECKING:
    from botocore.client import BaseClient

NOTICE_SECONDS = 120.0
"""What EC2 gives a spot instance."""

_EXIST = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]


class Ec2Hypervisor(Hypervisor[Mapping[str, Any]]):
    """Runs the instances of one EC2 endpoint; `ec2` is a client of it. A terminated instance is cut off at once."""

    def __init__(self, ec2: "BaseClient", folder: Path, cache: Path, boot_seconds: float = BOOT_SECONDS) -> None:
        super().__init__(folder, cache, boot_seconds)
        self._ec2 = ec2
        self._metadata: dict[str, InstanceMetadata] = {}
        self._stopping: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """See the base; afterwards no metadata is served either."""
        try:
            await super().run()
        finally:
            await asyncio.gather(*self._stopping)

    async def reclaim(self, instance_id: str, notice_seconds: float = NOTICE_SECONDS) -> None:
        """Take a spot instance back: tell it, and terminate it after the notice.

        Raises:
            NotFound: it does not run here.
        """
        if instance_id not in self._metadata:
            message = f"{instance_id} does not run here"
            raise NotFound(message)
        at = datetime.now(UTC) + timedelta(seconds=notice_seconds)
        self._metadata[instance_id].spot_action = {"action": "terminate", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        await asyncio.sleep(notice_seconds)
        await call(self._ec2, "terminate_instances", InstanceIds=[instance_id])

    async def _listed(self) -> dict[str, Mapping[str, Any]]:
        there = {
            instance["InstanceId"]: instance
            async for page in pages(self._ec2, "describe_instances", Filters=_EXIST, MaxResults=1000)
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        }
        for instance_id in there.keys() & self._metadata.keys():
            self._metadata[instance_id].tags = _tags(there[instance_id])
        return there

    @contextlib.asynccontextmanager
    async def _furnished(
        self, instance_id: str, told: Mapping[str, Any], disk: Path
    ) -> AsyncIterator[Mapping[str, str]]:
        del disk
        region = self._ec2.meta.region_name
        metadata = InstanceMetadata(instance_id, _tags(told), region, ROLE_CREDENTIALS)
        server = MetadataServer(metadata)
        self._metadata[instance_id] = metadata
        try:
            yield {ENDPOINT_VARIABLE: server.start()}
        finally:
            del self._metadata[instance_id]
            # Not awaited here, where a second cancellation would leave it half done.
            stopping = asyncio.ensure_future(asyncio.to_thread(server.stop))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _user_data(self, instance_id: str, told: Mapping[str, Any]) -> str:
        del told
        return base64.b64decode(await self._attribute(instance_id, "userData")).decode()

    async def _ends_in_order(self, instance_id: str) -> bool:
        del instance_id
        return False

    async def _powered_off(self, instance_id: str) -> None:
        behaviour = await self._attribute(instance_id, "instanceInitiatedShutdownBehavior")
        ending = "terminate_instances" if behaviour == "terminate" else "stop_instances"
        await insisted(lambda: call(self._ec2, ending, InstanceIds=[instance_id]))

    async def _attribute(self, instance_id: str, name: str) -> str:
        which = {"InstanceId": instance_id, "Attribute": name}
        answer = await insisted(lambda: call(self._ec2, "describe_instance_attribute", **which))
        value: str = answer[name[0].upper() + name[1:]].get("Value", "")
        return value


def _tags(instance: Mapping[str, Any]) -> dict[str, str]:
    return as_mapping(instance.get("Tags", []))
