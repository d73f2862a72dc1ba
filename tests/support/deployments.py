"""A burstlens.toml whose queues and buckets are in files, or on SQS and S3 of a double."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from burstlens.buckets import Layout
from burstlens.clock import SystemClock
from burstlens.lane import Lane
from burstlens.settings import load_settings
from burstlens.settings.adapters import open_lane
from support.aws_doubles import REGION, Doubles
from support.buckets import made

DEPLOYMENTS = ("files", "aws")


def written_settings(folder: Path, where: str, doubles: Doubles, layout: Layout = Layout.ID) -> Path:
    """The file, in this folder; each call is a deployment of its own."""
    lines = [f"data = {json.dumps(str(folder / 'burstlens-data'))}", "[web]", "port = 0"]
    lines += ["[scaling]", "max_instances = 0", "[buckets]", f"layout = {json.dumps(layout.value)}"]
    if where == "aws":
        url = doubles.moto.url
        own = f"test-{uuid.uuid4().hex[:8]}"
        lines += [f"{name} = 's3://{made(url)}/{own}/{name}'" for name in ("inputs", "outputs", "fleet")]
        lines += ["[queue]", f"url = 'sqs:{own}-'", "[aws]", f"endpoint = '{url}'", f"region = '{REGION}'"]
    file = folder / "burstlens.toml"
    file.write_text("\n".join(lines))
    return file


@contextlib.asynccontextmanager
async def lane_of(file: Path) -> AsyncIterator[Lane]:
    lane = await open_lane(load_settings(file), SystemClock())
    try:
        yield lane
    finally:
        await lane.close()
