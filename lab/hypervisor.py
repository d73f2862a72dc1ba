"""The stand-in for EC2's hypervisor: each instance that moto says is running gets a machine, and loses it with that."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from burstlens.aws.session import call, call_blocking
from burstlens.clouds.ec2.tags import as_mapping
from burstlens.errors import BurstlensError, NotFound, Throttled, Unavailable
from lab.account import ROLE_CREDENTIALS
from lab.machine import Machine
from lab.metadata_server import ENDPOINT_VARIABLE, InstanceMetadata, MetadataServer

if TYPE_CHECKING:
    from botocore.client import BaseClient

LOOK_SECONDS = 0.3
"""Between two looks at what moto says there is; each takes 40 ms of its time when there are 19 instances."""
BOOT_SECONDS = 0.5
NOTICE_SECONDS = 120.0
"""What EC2 gives a spot instance."""

_EXIST = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]

_log = structlog.get_logger(__name__)


class Hypervisor:
    """Runs the instances of one EC2 endpoint.

    Args:
        ec2: a client of it.
        folder: holds each machine's disk; made when missing.
        cache: models, shared by all machines.
        boot_seconds: from an instance's birth to its first process.
    """

    def __init__(self, ec2: "BaseClient", folder: Path, cache: Path, boot_seconds: float = BOOT_SECONDS) -> None:
        self._ec2 = ec2
        self._folder = folder
        self._cache = cache
        self._boot_seconds = boot_seconds
        self._powered: dict[str, asyncio.Task[None]] = {}
        self._metadata: dict[str, InstanceMetadata] = {}
        self._stopping: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Look, start and stop until cancelled; then every machine's power is cut."""
        try:
            async with asyncio.TaskGroup() as machines:
                while True:
                    await self._look(machines)
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            await asyncio.gather(*self._stopping)

    async def _look(self, machines: asyncio.TaskGroup) -> None:
        try:
            there = await asyncio.to_thread(self._listed)
        except BurstlensError as error:
            _log.warning("moto does not say what there is, so all stays as it is", error=str(error))
        else:
            await self._follow(there, machines)

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

    async def _follow(self, there: Mapping[str, Mapping[str, Any]], machines: asyncio.TaskGroup) -> None:
        """Make what runs here what moto says there is."""
        for instance_id in self._powered.keys() - there.keys():
            await _ended(self._powered.pop(instance_id))
        for instance_id, instance in there.items():
            if instance_id not in self._powered:
                self._powered[instance_id] = machines.create_task(self._power_on(instance_id, instance))
            elif instance_id in self._metadata:
                self._metadata[instance_id].tags = _tags(instance)

    async def _power_on(self, instance_id: str, instance: Mapping[str, Any]) -> None:
        """One machine from its birth until it powers itself off or is cut off."""
        await asyncio.sleep(self._boot_seconds)
        region = self._ec2.meta.region_name
        metadata = InstanceMetadata(instance_id, _tags(instance), region, ROLE_CREDENTIALS)
        async with self._reachable(instance_id, metadata) as endpoint:
            machine = Machine(instance_id, self._folder / instance_id, {ENDPOINT_VARIABLE: endpoint}, self._cache)
            try:
                await machine.run(base64.b64decode(await self._attribute(instance_id, "userData")).decode())
            except (ValueError, FileNotFoundError) as error:
                _log.error("the machine does nothing", instance=instance_id, error=str(error))
                await asyncio.Event().wait()
        behaviour = await self._attribute(instance_id, "instanceInitiatedShutdownBehavior")
        ending = "terminate_instances" if behaviour == "terminate" else "stop_instances"
        await self._insist(ending, InstanceIds=[instance_id])

    @contextlib.asynccontextmanager
    async def _reachable(self, instance_id: str, metadata: InstanceMetadata) -> AsyncIterator[str]:
        server = MetadataServer(metadata)
        self._metadata[instance_id] = metadata
        try:
            yield server.start()
        finally:
            del self._metadata[instance_id]
            # Not awaited here, where a second cancellation would leave it half done.
            stopping = asyncio.ensure_future(asyncio.to_thread(server.stop))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _attribute(self, instance_id: str, name: str) -> str:
        answer = await self._insist("describe_instance_attribute", InstanceId=instance_id, Attribute=name)
        value: str = answer[name[0].upper() + name[1:]].get("Value", "")
        return value

    async def _insist(self, operation: str, **parameters: object) -> Mapping[str, Any]:
        """Call until moto answers: a machine does not end because its cloud was slow."""
        while True:
            try:
                return await call(self._ec2, operation, **parameters)
            except (Throttled, Unavailable) as error:
                _log.warning("moto does not answer, trying again", operation=operation, error=str(error))
                await asyncio.sleep(LOOK_SECONDS)

    def _listed(self) -> dict[str, Mapping[str, Any]]:
        """Every instance that is to have power, by id. Blocks."""
        return {instance["InstanceId"]: instance for instance in self._pages()}

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = call_blocking(self._ec2, "describe_instances", Filters=_EXIST, MaxResults=1000, **token)
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _tags(instance: Mapping[str, Any]) -> dict[str, str]:
    return as_mapping(instance.get("Tags", []))


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel the task, and wait for its end."""
    task.cancel()
    await asyncio.wait([task])
