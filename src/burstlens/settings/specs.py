"""What the instances of each pool are told when they are launched."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from burstlens.clock import Clock
from burstlens.clouds.base import Pool, Spec
from burstlens.errors import Misconfigured
from burstlens.messages import RESPONSES
from burstlens.settings.adapters import aws_session
from burstlens.settings.model import Settings

if TYPE_CHECKING:
    from burstlens.aws.worker_policy import Reach

_FOREIGN = frozenset({"openstack"})
"""Clouds of machines that AWS knows nothing of."""


def open_specs(settings: Settings, clock: Clock) -> Callable[[Pool], Awaitable[Spec]]:
    """What instances of a pool are told; asked anew before each launch, since credentials in it end soon.

    Raises:
        Misconfigured: instances of a pool could not reach the queue or the buckets.
    """
    specs = {pool.cloud: settings.spec(pool.cloud) for pool in settings.fleet_pools()}
    issue = _worker_credentials(settings, clock) if _FOREIGN & specs.keys() else None

    async def spec_for(pool: Pool) -> Spec:
        spec = specs[pool.cloud]
        return replace(spec, credentials=await issue()) if issue and pool.cloud in _FOREIGN else spec

    return spec_for


def _worker_credentials(settings: Settings, clock: Clock) -> Callable[[], Awaitable[Mapping[str, str]]]:
    if not settings.aws.worker_role:
        message = "aws.worker_role: workers outside AWS need one; `burstlens deploy aws up --private-cloud` makes it"
        raise Misconfigured(message)
    from burstlens.aws.worker_credentials import Order, WorkerCredentials

    needed_seconds = settings.scaling.boot_allowance_seconds + settings.worker.drain_seconds
    order = Order(settings.fleet, settings.aws.worker_role, _reach(settings), needed_seconds)
    return WorkerCredentials(aws_session(settings), order, clock).issue


def _reach(settings: Settings) -> "Reach":
    """The names on AWS of what a worker gets at; elsewhere there is nothing that it could."""
    from burstlens.aws.worker_policy import Reach
    from burstlens.queues.sqs.naming import DEAD, Naming

    naming = Naming(settings.queue.url.partition(":")[2], settings.queue.response_name)
    requests, buckets, model = naming.physical(settings.queue.name), settings.buckets, settings.model
    return Reach(
        requests=requests,
        dead_letters=requests + DEAD,
        responses=settings.queue.response_name or f"{naming.prefix}{RESPONSES}*",
        inputs=buckets.inputs,
        outputs=buckets.outputs,
        fleet=buckets.fleet,
        models=tuple(url for url in (model.name, model.manifest) if url.startswith("s3:")),
    )
