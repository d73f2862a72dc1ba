"""What instances are told, pool by pool."""

from pathlib import Path

import pytest

from burstlens.clock import SystemClock
from burstlens.errors import Misconfigured
from burstlens.settings import Settings, load_settings
from burstlens.settings.model import BucketSettings, PoolSettings, QueueSettings
from burstlens.settings.specs import open_specs

pytestmark = pytest.mark.anyio


def test_workers_outside_aws_need_a_role(folder: Path) -> None:
    del folder
    pool = PoolSettings(name="private", cloud="openstack", cap=1, image="birds", instance_types=("m1.small",))
    buckets = BucketSettings(inputs="s3://a", outputs="s3://b", fleet="s3://c")
    settings = Settings(queue=QueueSettings(url="sqs:birds-"), buckets=buckets, pools=(pool,))

    with pytest.raises(Misconfigured, match=r"aws\.worker_role: workers outside AWS need one"):
        open_specs(settings, SystemClock())


async def test_workers_of_this_machine_are_given_no_credentials(folder: Path) -> None:
    del folder
    settings = load_settings()
    (pool,) = settings.fleet_pools()

    assert await open_specs(settings, SystemClock())(pool) == settings.spec("local")
