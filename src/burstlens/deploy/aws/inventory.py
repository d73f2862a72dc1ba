"""All that a fleet has in an account: what `status` shows, and what `down` removes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.exports import export_roles
from burstlens.deploy.aws.images import Images
from burstlens.deploy.aws.machines import instances_by_state
from burstlens.deploy.aws.messaging import QueueDepth, queue_depth, queue_urls
from burstlens.deploy.aws.names import BUCKETS, Names
from burstlens.deploy.aws.snapshots import Snapshots
from burstlens.deploy.aws.stack import Stack, find_stack
from burstlens.deploy.aws.storage import count_objects, has_bucket


@dataclass(frozen=True, slots=True)
class BucketContent:
    """How much is in a bucket."""

    name: str
    objects: int
    more: bool
    """There are more than were counted."""

    def __str__(self) -> str:
        return f"{self.objects:,}{'+' if self.more else ''} objects"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there was at one moment."""

    names: Names
    stack: Stack | None
    buckets: Mapping[str, BucketContent]
    """By kind."""
    queues: Mapping[str, QueueDepth]
    """By name."""
    instances: Mapping[str, int]
    """How many by EC2's state; terminated ones do not count."""
    images: Sequence[str]
    """Ids, the newest first."""
    snapshots: Sequence[str]
    """Ids of those that belong to none of the images: of one that was removed before it was ready."""
    export_roles: Sequence[str]
    """Names of roles that an export has, or has left."""

    @property
    def image(self) -> str:
        """What new instances start from; empty when there is none yet."""
        return self.stack.parameters.get("ImageId", "") if self.stack else ""

    def is_empty(self, besides: Sequence[str] = ()) -> bool:
        """Whether there is nothing, or nothing but buckets of these kinds."""
        buckets = [kind for kind in self.buckets if kind not in besides]
        images = [*self.images, *self.snapshots, *self.export_roles]
        return not (self.stack or buckets or self.queues or self.instances or images)

    def lines(self) -> list[str]:
        """What there is, thing by thing."""
        found = [f"stack {self.names.stack}, {self.stack.status}"] if self.stack else []
        found += [f"{count} {state} instance{'s' * (count > 1)}" for state, count in sorted(self.instances.items())]
        for name, depth in self.queues.items():
            found.append(f"queue {name} with about {depth.visible + depth.in_flight + depth.delayed:,} messages")
        found += [f"bucket {bucket.name} with {bucket}" for bucket in self.buckets.values()]
        found += [f"image {image} with its snapshots" for image in self.images]
        found += [f"snapshot {snapshot} of no image" for snapshot in self.snapshots]
        return found + [f"role {role} of an export" for role in self.export_roles]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "fleet": self.names.fleet,
            "account": self.names.account,
            "region": self.names.region,
            "stack": self.stack and {"status": self.stack.status, "reason": self.stack.reason},
            "outputs": dict(self.stack.outputs) if self.stack else {},
            "buckets": {
                kind: {"name": bucket.name, "objects": bucket.objects, "more": bucket.more}
                for kind, bucket in self.buckets.items()
            },
            "queues": {name: depth.as_json() for name, depth in self.queues.items()},
            "instances": dict(self.instances),
            "image": self.image,
            "images": list(self.images),
            "snapshots": list(self.snapshots),
            "export_roles": list(self.export_roles),
        }


def take_inventory(account: Account) -> Inventory:
    """Look at everything once."""
    buckets = {}
    for kind in BUCKETS:
        if has_bucket(account, kind):
            buckets[kind] = BucketContent(account.names.bucket(kind), *count_objects(account, kind))
    depths = {name: queue_depth(account, url) for name, url in queue_urls(account).items()}
    whose = (account.session, account.names.fleet, account.clock)
    images = asyncio.run(Images(*whose).all())
    known = {snapshot for image in images for snapshot in image.snapshots}
    return Inventory(
        names=account.names,
        stack=find_stack(account),
        buckets=buckets,
        queues={name: depth for name, depth in depths.items() if depth is not None},
        instances=instances_by_state(account),
        images=[image.id for image in images],
        snapshots=[snapshot for snapshot in asyncio.run(Snapshots(*whose).all()) if snapshot not in known],
        export_roles=export_roles(account),
    )
