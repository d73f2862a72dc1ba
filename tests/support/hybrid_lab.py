"""Both clouds at once: a project of the OpenStack lab and the AWS lab, with machines for the instances of both."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from burstlens.clouds.ec2 import tags
from lab.aws import CONFIG as AWS_CONFIG
from lab.aws import AwsLab, aws_lab
from lab.nova import NovaHypervisor
from support.aws_lab import Account, sampling, start
from support.commands import SLOW_MACHINE_SECONDS, Home, Running
from support.eventually import eventually
from support.openstack_lab import Project
from support.tcp_proxy import TcpProxy, proxied

CONFIG = AWS_CONFIG.with_name("hybrid.toml")
NOVA = ("127.0.0.1", 8774)


class State(StrEnum):
    """Where an instance is in its life, as its cloud shows it."""

    BOOTING = "booting"
    UP = "up"
    ENDING = "ending"
    """It was told to drain, or is off."""
    FAILED = "failed"


_STATES = {"BUILD": State.BOOTING, "ACTIVE": State.UP, "ERROR": State.FAILED}


@dataclass(frozen=True)
class Seen:
    """One instance."""

    name: str
    state: State


@dataclass(frozen=True)
class Look:
    """All instances that exist, by id."""

    ec2: Mapping[str, Seen]
    openstack: Mapping[str, Seen]

    @property
    def total(self) -> int:
        return len(self.ec2) + len(self.openstack)

    @property
    def working(self) -> set[str]:
        """Ids of all that are up, on both."""
        return {number for number, seen in [*self.ec2.items(), *self.openstack.items()] if seen.state is State.UP}

    def up(self, cloud: str) -> int:
        """How many of this cloud are up."""
        instances: Mapping[str, Seen] = getattr(self, cloud)
        return sum(seen.state is State.UP for seen in instances.values())


@dataclass
class HybridWatch:
    """Both clouds, looked at again and again."""

    looks: list[Look] = field(default_factory=list)

    async def until(self, holds: Callable[[Look], bool], within_seconds: float = SLOW_MACHINE_SECONDS) -> Look:
        """The first look from now on that this holds for."""
        seen = len(self.looks)

        async def found() -> bool:
            return any(map(holds, self.looks[seen:]))

        await eventually(found, within_seconds)
        return next(filter(holds, self.looks[seen:]))

    async def none_left(self) -> None:
        await self.until(lambda look: not look.total, 2 * SLOW_MACHINE_SECONDS)

    def names(self, cloud: str) -> set[str]:
        """Every name that an instance of this cloud has had that was up."""
        seen = [seen for look in self.looks for seen in getattr(look, cloud).values()]
        return {each.name for each in seen if each.state is State.UP}


@dataclass(frozen=True)
class HybridLab:
    """Both clouds."""

    aws: AwsLab
    account: Account
    project: Project
    nova: TcpProxy
    """Before nova's API, for the commands that are started here alone."""
    clouds: Path
    """``clouds.yaml`` that leads there."""

    async def start(self, home: Home, command: str, **environment: str) -> Running:
        """Start a command of burstlens on the deployment, as a person would."""
        own = {"OS_CLIENT_CONFIG_FILE": str(self.clouds), "OS_CLOUD": self.project.cloud}
        return await start(home, self.aws.endpoint, command, CONFIG, **{**own, **environment})

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[HybridWatch]:
        """Look at the instances while the block runs."""
        watch = HybridWatch()

        async def look() -> None:
            watch.looks.append(await self.look())

        async with sampling(look):
            yield watch

    async def look(self) -> Look:
        """EC2 is looked at first."""
        ec2 = {
            number: Seen(own.get(tags.NAME, ""), State.ENDING if tags.DRAIN in own else State.UP)
            for number, instance in (await self.account.instances()).items()
            if instance["State"]["Name"] != "terminated"
            for own in [tags.as_mapping(instance.get("Tags", []))]
        }
        return Look(ec2, await asyncio.to_thread(self._servers))

    def _servers(self) -> dict[str, Seen]:
        mine: dict[str, Any] = {"all_projects": True, "project_id": self.project.number}
        servers = self.project.admin.compute.servers(**mine)
        return {each.id: Seen(each.name, _STATES.get(each.status, State.ENDING)) for each in servers}


@contextlib.asynccontextmanager
async def hybrid_lab(project: Project, folder: Path, cache: Path) -> AsyncIterator[HybridLab]:
    """Run it while the block runs; afterwards no machine and nothing of AWS is left."""
    nova = NovaHypervisor(project.admin, project.number, folder / "openstack", cache)
    async with (
        aws_lab(folder / "aws", cache, config=CONFIG) as aws,
        proxied(*NOVA) as proxy,
        nova.running(),
    ):
        yield HybridLab(aws, Account(aws), project, proxy, _clouds_through(proxy, project))


def _clouds_through(proxy: TcpProxy, project: Project) -> Path:
    """Write a ``clouds.yaml`` that leads to nova through the proxy."""
    path = project.clouds.with_name("proxied.yaml")
    known = json.loads(project.clouds.read_text())
    known["clouds"][project.cloud]["compute_endpoint_override"] = f"http://127.0.0.1:{proxy.port}/v2.1"
    path.write_text(json.dumps(known))
    return path
