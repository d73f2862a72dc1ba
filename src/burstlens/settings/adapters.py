"""From settings to adapters. Each is imported only when it is named: an instance's cold start is a feature."""

import asyncio
import contextlib
import functools
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import ObjectStore

from burstlens.buckets import Bucket, Buckets, open_store
from burstlens.clock import Clock
from burstlens.clouds.base import Cloud
from burstlens.errors import Misconfigured
from burstlens.lane import Lane
from burstlens.queues.base import Queues
from burstlens.recognition.base import Recognizer
from burstlens.settings.model import Settings
from burstlens.worker.options import Identity

if TYPE_CHECKING:
    from burstlens.aws.session import AwsSession
    from burstlens.recognition.classifier import Classifier
    from burstlens.recognition.decode import DecodeLimits

FACES = "faces"
"""As `ModelSettings.name`: recognise people, not things."""

WORKER_COMMAND = (sys.executable, "-m", "burstlens", "worker")
"""How an instance on this machine starts its worker."""


async def open_lane(settings: Settings, clock: Clock) -> Lane:
    """Open the request queue, creating it when it is missing, and the buckets."""
    here = settings.resolved()
    buckets = here.buckets
    aws = functools.cache(lambda: aws_session(settings))
    inputs, outputs, fleet = [
        # In a thread: to find out the region may take a second.
        Bucket(await asyncio.to_thread(_open_bucket, here, url, aws))
        for url in (buckets.inputs, buckets.outputs, buckets.fleet)
    ]
    queues = _open_queues(here, clock, aws)
    try:
        requests = await queues.create(here.queue.name, settings.queue_options())
    except BaseException:
        await queues.close()
        raise
    return Lane(queues, requests, Buckets(inputs, outputs, fleet, buckets.layout))


@contextlib.asynccontextmanager
async def opened_lane(settings: Settings, clock: Clock) -> AsyncIterator[Lane]:
    """The same while the block runs."""
    lane = await open_lane(settings, clock)
    try:
        yield lane
    finally:
        await lane.close()


def open_clouds(settings: Settings, clock: Clock) -> dict[str, Cloud]:
    """An adapter for each cloud that a pool names."""
    adapters: dict[str, Callable[[], Cloud]] = {
        "local": lambda: _local_cloud(settings, clock),
        "openstack": lambda: _openstack_cloud(settings, clock),
        "ec2": lambda: _ec2_cloud(settings, clock),
    }
    return {name: adapters[name]() for name in {pool.cloud for pool in settings.fleet_pools()}}


def _local_cloud(settings: Settings, clock: Clock) -> Cloud:
    from burstlens.clouds.local import LocalCloud

    return LocalCloud(settings.data.absolute() / "fleet", clock, WORKER_COMMAND)


def _openstack_cloud(settings: Settings, clock: Clock) -> Cloud:
    from burstlens.clouds.openstack.cloud import OpenStackCloud

    return OpenStackCloud(settings.openstack, clock)


def _ec2_cloud(settings: Settings, clock: Clock) -> Cloud:
    from burstlens.clouds.ec2.cloud import Ec2Cloud

    return Ec2Cloud(aws_session(settings), clock)


def open_recognizer(settings: Settings) -> Recognizer:
    """The model or the faces that the settings name, ready to use. Blocks.

    Raises:
        Misconfigured: there is no such model, it is damaged, or nobody has indexed the gallery yet.
    """
    return _open_faces(settings) if settings.model.name == FACES else open_classifier(settings)


def open_classifier(settings: Settings) -> "Classifier":
    """The model that the settings name, ready to use.

    Raises:
        Misconfigured: there is no such model, or it is damaged.
    """
    from burstlens.recognition.loading import load_classifier

    model = settings.model
    return load_classifier(
        model.name, model.manifest, model.cache, decode_limits(settings), model.provider, settings.aws
    )


def _open_faces(settings: Settings) -> Recognizer:
    from burstlens.recognition.faces.recognizer import open_face_recognizer
    from burstlens.recognition.faces.store import read_index

    index = read_index(open_fleet_bucket(settings))
    return open_face_recognizer(index, decode_limits(settings))


def decode_limits(settings: Settings) -> "DecodeLimits":
    """What one picture may cost in this deployment."""
    from burstlens.recognition.decode import DecodeLimits

    return DecodeLimits(settings.web.max_image_bytes, settings.web.max_pixels)


def identity(environment: Mapping[str, str] = os.environ) -> Identity:
    """Who a worker process started here is: named by its cloud, or by this host when started by hand."""
    instance = environment.get("BURSTLENS_INSTANCE", "")
    own = environment.get("BURSTLENS_INSTANCE_ID") or socket.gethostname()
    return Identity(
        worker=f"{re.sub(r'[^A-Za-z0-9_-]', '-', own)}-{os.getpid()}",
        instance=instance or socket.gethostname(),
        pool=environment.get("BURSTLENS_POOL", ""),
        managed=bool(instance),
    )


def open_fleet_bucket(settings: Settings) -> ObjectStore:
    """The store of the fleet bucket, for a command that is about to end (see `burstlens.recognition.faces.store`)."""
    return _open_bucket(settings, settings.resolved().buckets.fleet, lambda: aws_session(settings))


def _open_bucket(settings: Settings, url: str, aws: "Callable[[], AwsSession]") -> ObjectStore:
    if not url.startswith("s3:"):
        return open_store(url)
    from burstlens.aws.s3 import open_s3

    return open_s3(url, aws(), settings.buckets.encryption, settings.buckets.kms_key)


def aws_session(settings: Settings) -> "AwsSession":
    """Who asks AWS in this deployment."""
    from burstlens.aws.session import AwsSession

    return AwsSession(settings.aws)


def _open_queues(settings: Settings, clock: Clock, aws: "Callable[[], AwsSession]") -> Queues:
    queue = settings.queue
    scheme, _, rest = queue.url.partition(":")
    if scheme == "sqlite" and rest:
        from burstlens.queues.sqlite.queues import SqliteQueues

        return SqliteQueues(Path(rest.removeprefix("//")), clock, queue.synchronous)
    if scheme == "memory":
        from burstlens.queues.memory import MemoryQueues

        return MemoryQueues(clock)
    if scheme == "sqs":
        from burstlens.queues.sqs.queues import SqsQueues

        if not rest and not queue.response_name:
            message = (
                "queue.url: sqs: without a prefix needs queue.response_name: "
                "response queues could not be told from those of others"
            )
            raise Misconfigured(message)

        return SqsQueues(aws(), clock, rest, queue.response_name)
    message = f"queue.url: {queue.url!r} is no known kind of queue; use sqlite:FOLDER, sqs:PREFIX or memory:"
    raise Misconfigured(message)
