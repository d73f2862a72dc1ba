"""The instance that an image is made from: started, waited for until it has powered itself off, and removed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burstlens.aws.session import AwsSession, call
from burstlens.clock import Clock
from burstlens.clouds.ec2.known import LATE_SECONDS, reach_known
from burstlens.clouds.ec2.tags import NAME, as_list
from burstlens.deploy.aws.images import BUILD
from burstlens.deploy.aws.uninterrupted import uninterrupted
from burstlens.errors import NotFound, Throttled, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

BUILDER = "burstlens:builder"
"""Holds the fleet's name. It is not the tag of the fleet's workers: no autoscaler may count a builder, or end it."""

_POLL_SECONDS = 3.0
_SECONDS = 1800.0
"""From the launch to the end: the steps themselves end after 1,200 s (baking/bake.sh), booting and Debian's packages
take some 60 s."""
_ALIVE = ("pending", "running", "stopping", "stopped")

Say = Callable[[str], None]
"""Called with one line whenever there is something to tell the operator."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a builder runs. It needs a way to Debian's mirrors and to the package index, and nobody has to reach it."""

    instance_type: str
    instance_profile: str
    """Its name. May read ``images/*`` of the fleet's bucket and write ``builds/*``."""
    subnet: str = ""
    """Empty is the default network's."""
    security_group: str = ""
    """Its id; lets the ports 80 and 443 out. Empty is the network's default, which may let nothing out."""


class Builders:
    """The builders of one fleet; there should be at most one."""

    def __init__(self, session: AwsSession, fleet: str, clock: Clock) -> None:
        self._ec2: BaseClient = session.client("ec2")
        self._fleet = fleet
        self._clock = clock
        self._launched: list[str] = []

    async def launch(self, site: Site, base: str, user_data: str, build: str, run: str) -> str:
        """Start one, and return its id. `run` makes a repeated call the same call."""
        tags = as_list({NAME: f"{self._fleet}-image-builder", BUILDER: self._fleet, BUILD: build})
        network: dict[str, Any] = {"SubnetId": site.subnet} if site.subnet else {}
        network |= {"SecurityGroupIds": [site.security_group]} if site.security_group else {}
        await uninterrupted(
            self._run(
                ImageId=base,
                InstanceType=site.instance_type,
                MinCount=1,
                MaxCount=1,
                ClientToken=run,
                UserData=user_data,
                IamInstanceProfile={"Name": site.instance_profile},
                InstanceInitiatedShutdownBehavior="stop",
                MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1},
                TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
                **network,
            )
        )
        return self._launched[-1]

    async def stopped(self, instance: str, say: Say) -> None:
        """Wait until it has powered itself off.

        Raises:
            Unavailable: somebody ended it, or it takes too long.
        """
        until = self._clock.now() + _SECONDS
        told = ""
        while True:
            state = await self._state(instance)
            if state != told:
                say(f"builder {instance}: {state}")
            told = state
            if state == "stopped":
                return
            if state in {"shutting-down", "terminated"}:
                message = f"the builder {instance} was terminated before it was done; bake again"
                raise Unavailable(message)
            if self._clock.now() > until:
                message = f"the builder {instance} has not powered off within {_SECONDS / 60:.0f} minutes"
                raise Unavailable(message)
            await self._clock.sleep(_POLL_SECONDS)

    async def console(self, instance: str) -> str:
        """The last lines of what it wrote to its console; empty when EC2 has none yet."""
        return str((await call(self._ec2, "get_console_output", InstanceId=instance)).get("Output", ""))

    async def remove(self) -> None:
        """End every builder of the fleet: this run's, and what earlier ones that were killed have left.

        Raises:
            Unavailable: EC2 does not know one of this run's yet.
        """
        pages = await call(
            self._ec2,
            "describe_instances",
            Filters=[
                {"Name": f"tag:{BUILDER}", "Values": [self._fleet]},
                {"Name": "instance-state-name", "Values": list(_ALIVE)},
            ],
        )
        listed = [instance["InstanceId"] for instance in _instances(pages)]
        left = sorted({*listed, *self._launched})
        for pause_seconds in (*LATE_SECONDS, 0.0):
            unknown = await reach_known(self._ec2, "terminate_instances", "InstanceIds", left)
            left = [instance for instance in unknown if instance in self._launched]
            if not left:
                self._launched.clear()
                return
            await self._clock.sleep(pause_seconds)
        message = f"EC2 does not know the builder {', '.join(left)} yet: bake again, which ends it"
        raise Unavailable(message)

    async def _run(self, **parameters: Any) -> None:  # noqa: ANN401 - AWS's own shapes
        answer = await call(self._ec2, "run_instances", **parameters)
        self._launched += [instance["InstanceId"] for instance in answer["Instances"]]

    async def _state(self, instance: str) -> str:
        try:
            answer = await call(self._ec2, "describe_instances", InstanceIds=[instance])
        except NotFound:
            return "pending"  # EC2 lists a new instance late
        except (Throttled, Unavailable) as error:
            return f"unknown ({error})"  # it works on, whether or not it can be seen
        return next((str(found["State"]["Name"]) for found in _instances(answer)), "pending")


def _instances(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [instance for reservation in answer["Reservations"] for instance in reservation["Instances"]]
