"""EC2 as moto plays it, with what moto lacks: guests that obey their tags."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession, call
from burstlens.clock import Clock, SystemClock
from burstlens.clouds.base import Pool
from burstlens.clouds.ec2 import tags
from burstlens.clouds.ec2.cloud import Ec2Cloud

if TYPE_CHECKING:
    from botocore.client import BaseClient

IMAGE = "ami-03cf127a"
"""One of those that moto knows."""
ZONES = ("eu-central-1a", "eu-central-1b")
TEMPLATE = "workers"
POOL = Pool(name="burst", cloud="ec2", cap=10, zones=ZONES[:1], launch_template=TEMPLATE)
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Ec2:
    """One account, empty but for its default network and a launch template."""

    url: str
    client: "BaseClient"
    """Straight to moto, whatever a proxy does."""

    def cloud(self, clock: Clock | None = None, url: str = "") -> Ec2Cloud:
        """An adapter of its own."""
        return Ec2Cloud(session(url or self.url), clock or SystemClock())

    async def items(self, *states: str) -> list[Mapping[str, Any]]:
        """What moto really has, as the API shows it."""
        answer = await call(self.client, "describe_instances", MaxResults=1000)
        found = [item for reservation in answer["Reservations"] for item in reservation["Instances"]]
        return [item for item in found if not states or item["State"]["Name"] in states]

    async def names(self) -> list[str]:
        """Of all that run, by name."""
        return sorted(tags.as_mapping(item["Tags"])[tags.NAME] for item in await self.items("pending", "running"))


@functools.cache
def session(url: str) -> AwsSession:
    """Everything at this address. Reading the model of EC2 takes 0.2 s, so one session is for all tests."""
    return AwsSession(AwsOptions(endpoint=url))


@contextlib.asynccontextmanager
async def ec2_at(url: str) -> AsyncIterator[Ec2]:
    """The account at moto's address, with nothing left of whoever had it before."""
    async with aiohttp.ClientSession() as http, http.post(f"{url}/moto-api/reset") as response:
        response.raise_for_status()
    client = await asyncio.to_thread(session(url).client, "ec2")
    data = {"ImageId": IMAGE, "InstanceType": "t3.small"}
    await call(client, "create_launch_template", LaunchTemplateName=TEMPLATE, LaunchTemplateData=data)
    guests = asyncio.create_task(_guests(client))
    try:
        yield Ec2(url, client)
    finally:
        guests.cancel()
        await asyncio.wait([guests])
        client.close()


async def _guests(client: "BaseClient") -> None:
    """Power off whoever has the drain tag, as the worker on a real instance does once it has finished."""
    asked = [
        {"Name": "tag-key", "Values": [tags.DRAIN]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    while True:
        answer = await call(client, "describe_instances", Filters=asked)
        ids = [item["InstanceId"] for reservation in answer["Reservations"] for item in reservation["Instances"]]
        if ids:
            await call(client, "terminate_instances", InstanceIds=ids)
        await asyncio.sleep(_LOOK_SECONDS)
