"""The fleet's workers on OpenStack, through the same adapter as the autoscaler's."""

import asyncio
from collections import Counter

from burstlens.clouds.base import Instance
from burstlens.deploy.openstack.project import POLL_SECONDS, Project
from burstlens.errors import Unavailable

_END_SECONDS = 600.0


class Workers:
    """Those of one fleet. Every call blocks, and raises as the cloud port does."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def by_state(self) -> Counter[str]:
        """How many there are, by state."""
        return asyncio.run(self._by_state())

    def end_all(self) -> None:
        """Terminate workers until there is none: somebody may be launching still."""
        asyncio.run(self._end_all())

    async def _by_state(self) -> Counter[str]:
        from burstlens.clouds.openstack.cloud import OpenStackCloud

        cloud = OpenStackCloud(self._project.options, self._project.clock)
        try:
            return Counter(str(instance.state) for instance in await cloud.instances(self._project.names.fleet))
        finally:
            await cloud.close()

    async def _end_all(self) -> None:
        from burstlens.clouds.openstack.cloud import OpenStackCloud

        project = self._project
        cloud = OpenStackCloud(self._project.options, project.clock)
        try:
            until = project.clock.now() + _END_SECONDS
            ended: set[str] = set()
            while found := await cloud.instances(project.names.fleet):
                await cloud.terminate([instance.id for instance in found])
                self._tell([instance for instance in found if instance.id not in ended])
                ended |= {instance.id for instance in found}
                if project.clock.now() >= until:
                    message = f"{len(found)} workers do not end: run this again"
                    raise Unavailable(message)
                await project.clock.sleep(POLL_SECONDS)
        finally:
            await cloud.close()

    def _tell(self, fresh: list[Instance]) -> None:
        if fresh:
            self._project.say(f"  terminating {', '.join(instance.name for instance in fresh)}")
