"""The autoscaler's eyes: queue, clouds and heartbeats, each of which may not answer."""

import asyncio
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from burstlens.clouds.base import Cloud, Instance
from burstlens.errors import Unavailable
from burstlens.messages import Heartbeat
from burstlens.queues.base import Depth
from burstlens.scaling.beats import Beats
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.troubles import Troubles

_FORGET_LIMIT = 50
"""Heartbeats deleted in one tick at most, so that a tick stays short."""


class Counted(Protocol):
    """What the autoscaler asks of a queue; see `burstlens.queues.base.Queue`."""

    async def depth(self) -> Depth:
        """Count. Raises when the backend does not answer: unknown is not zero (R7)."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was observed. None is unknown, and unknown is neither zero nor empty (R7)."""

    at: float
    """When the look began, in seconds since the epoch: what was launched since then cannot be in it."""
    depth: Depth | None
    homes: Mapping[str, tuple[Instance, str]] | None
    """Every instance that exists with the name of its cloud, by the instance's id. What a blind cloud has is what it
    listed last."""
    heartbeats: Sequence[Heartbeat] | None
    blind: frozenset[str] = frozenset()
    """Clouds that do not list their instances now, and have done so before."""
    hearing_since: float = -math.inf
    """No silence from before then, in seconds since the epoch, means anything: nobody listened."""

    @property
    def instances(self) -> list[Instance]:
        """Every instance that exists; none when they are unknown."""
        return [instance for instance, _ in (self.homes or {}).values()]

    def cloud_of(self, instance: Instance) -> str:
        """The name of the cloud that listed this instance."""
        return (self.homes or {})[instance.id][1]


class Observer:
    """Looks at everything at once."""

    def __init__(
        self,
        queue: Counted,
        clouds: Mapping[str, Cloud],
        heartbeats: Beats,
        fleet: str,
        options: ScalingOptions,
        troubles: Troubles,
    ) -> None:
        self._queue = queue
        self._clouds = clouds
        self._heartbeats = heartbeats
        self._fleet = fleet
        self._options = options
        self._troubles = troubles
        self._listed: dict[str, list[Instance]] = {}
        self._heard_at = math.inf
        self._hearing_since = -math.inf

    async def observe(self, now: float) -> Sight:
        """See what can be seen; what cannot is None and noted. `now` is in seconds since the epoch."""
        attempt = self._troubles.attempt
        depth, heartbeats, listings = await asyncio.gather(
            attempt("depth is unknown", self._depth()),
            attempt("heartbeats are unknown", self._heartbeats.all()),
            asyncio.gather(
                *(
                    attempt(f"instances on {name} are unknown", cloud.instances(self._fleet))
                    for name, cloud in self._clouds.items()
                )
            ),
        )
        blind = self._keep(listings)
        if heartbeats is not None:
            self._hear(now)
        return Sight(now, depth, self._homes(blind), heartbeats, blind, self._hearing_since)

    async def forget_heartbeats(self, sight: Sight, now: float) -> None:
        """Delete what workers of instances that are gone left behind."""
        if sight.homes is None or sight.heartbeats is None:
            return
        present = {name for instance in sight.instances for name in (instance.id, instance.name)}
        old = [
            beat.worker
            for beat in sight.heartbeats
            if beat.instance not in present and now - beat.sent_at.timestamp() > self._options.heartbeat_forget_seconds
        ]
        for worker in old[:_FORGET_LIMIT]:
            await self._troubles.carry_out("an old heartbeat stays behind", self._heartbeats.remove(worker))

    def _hear(self, now: float) -> None:
        """Begin anew after a gap: the bucket that was away kept workers from beating, too, and a sleep stopped them."""
        if now - self._heard_at > self._options.boot_allowance_seconds / 2:
            self._hearing_since = now
        self._heard_at = now

    async def _depth(self) -> Depth:
        depth = await self._queue.depth()
        if depth.age_seconds > self._options.depth_stale_seconds:
            message = f"it was counted {depth.age_seconds:.0f} s ago"
            raise Unavailable(message)
        return depth

    def _keep(self, listings: Sequence[list[Instance] | None]) -> frozenset[str]:
        """Keep what each cloud lists; return those that do not list anything now."""
        seen = {name: listing for name, listing in zip(self._clouds, listings, strict=True) if listing is not None}
        self._listed |= seen
        return frozenset(self._clouds.keys() - seen.keys())

    def _homes(self, blind: Set[str]) -> dict[str, tuple[Instance, str]] | None:
        """None while no cloud is seen, or one never was: then nobody knows how much of the cap is used there."""
        if blind == self._clouds.keys() or self._clouds.keys() - self._listed.keys():
            return None
        return {
            instance.id: (instance, name)
            for name, listing in self._listed.items()
            for instance in listing
            if instance.state.counts
        }
