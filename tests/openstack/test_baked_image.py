"""An image, all the way: baked, kept as a VMDK, imported, booted on nova, and its worker labels a picture.

Without KVM, and with root's tools, that takes a quarter of an hour, so it runs only when $BURSTLENS_TEST_VM says so:
``make test-vm``.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.clouds.base import Pool, State
from burstlens.clouds.openstack.cloud import OpenStackCloud
from burstlens.settings import Settings, load_settings
from burstlens.workload.bundled import bundled_photos
from lab.openstack.layout import BRIDGE_ADDRESS
from support.aws_doubles import CREDENTIALS, REGION
from support.commands import Home
from support.eventually import eventually
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import Project

pytestmark = [
    pytest.mark.skipif(not os.environ.get("BURSTLENS_TEST_VM"), reason="make test-vm runs it"),
    pytest.mark.timeout(3600),
    pytest.mark.anyio,
    SDK_WARNINGS,
]

FLEET, BUCKET, IMAGE = "vm", "vm-fleet", "vm-imported"
BOOT_SECONDS, LABEL_SECONDS, STOP_SECONDS = 600.0, 900.0, 240.0
"""On a busy machine. On an idle one: half a minute, two minutes, half a minute."""

SETTINGS = """
fleet = "{fleet}"
[aws]
endpoint = "{url}"
region = "{region}"
[openstack]
cloud = "{cloud}"
network = "lab"
[queue]
url = "sqs:vm-"
# The model takes its time to be loaded in a guest without KVM.
lease_seconds = 600
[buckets]
inputs = "s3://{bucket}/inputs"
outputs = "s3://{bucket}/outputs"
fleet = "s3://{bucket}/fleet"
"""


@pytest.fixture
def aws(lab_with_guests: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A double of AWS on the bridge, where guests reach it; it ends with the test."""
    del lab_with_guests
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as probe:
        probe.bind((BRIDGE_ADDRESS, 0))
        port = probe.getsockname()[1]
    server = str(Path(sys.executable).parent / "moto_server")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen((server, "-H", BRIDGE_ADDRESS, "-p", str(port)), **quiet)  # type: ignore[call-overload]
    try:
        yield f"http://{BRIDGE_ADDRESS}:{port}"
    finally:
        process.kill()
        process.wait()


async def answers(url: str) -> None:
    async def there() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as client, client.get(url):
                return True
        return False

    await eventually(there, 60)


@pytest.fixture
async def settings(aws: str, openstack_project: Project, home: Home, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a deployment that has its queue and buckets on the double, and its servers on the lab."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(openstack_project.clouds))
    file = home.folder / "burstlens.toml"
    file.write_text(SETTINGS.format(fleet=FLEET, url=aws, region=REGION, cloud=openstack_project.cloud, bucket=BUCKET))
    settings = load_settings(file)
    await answers(aws)
    s3: Any = AwsSession(settings.aws).client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    return settings


async def label_of(url: str, picture: bytes) -> str:
    """What the web tier answers, once a worker has come."""
    form = aiohttp.FormData()
    form.add_field("myfile", picture, filename="photo.jpg")
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LABEL_SECONDS)) as client,
        client.post(url, data=form) as answer,
    ):
        return (await answer.text()).strip()


async def test_a_baked_image_is_imported_and_its_worker_labels_a_picture(
    settings: Settings, vmdk: Path, home: Home, openstack_project: Project
) -> None:
    config = ("--config", home.folder / "burstlens.toml")
    importing = await home.start("image", "import", vmdk, "--name", IMAGE, *config)
    assert await importing.process.wait() == 0, importing.err.read_text()
    web = await home.start("web", *config, "--port", "0")
    photo = bundled_photos()[0]
    asked = asyncio.create_task(label_of(await web.url(), photo.path.read_bytes()))

    # The worker's own credentials, in the place of those that STS would issue.
    spec = replace(settings.spec("openstack"), credentials=CREDENTIALS)
    pool = Pool(name="private", cloud="openstack", cap=1, image=IMAGE, instance_types=("lab.guest",), zones=("real",))
    cloud = OpenStackCloud(settings.openstack, SystemClock())
    try:
        (born,) = await cloud.launch(pool, ["app-tier-instance1"], spec, fleet=FLEET, token="once")  # noqa: S106

        async def runs() -> bool:
            (shown,) = await cloud.instances(FLEET)
            assert shown.state is not State.FAILED, shown.fault
            return shown.state is State.RUNNING

        await eventually(runs, BOOT_SECONDS)
        try:
            assert await asked == photo.label
        except (AssertionError, TimeoutError):
            pytest.fail(console(openstack_project, born.id))

        # An ACPI power-off, which is a SIGTERM for its worker: it drains and is gone.
        await cloud.drain([born.id])

        async def gone() -> bool:
            return await cloud.instances(FLEET) == []

        await eventually(gone, STOP_SECONDS)
    finally:
        await cloud.close()


def console(project: Project, server: str) -> str:
    """What the guest has said: the end of it."""
    said = project.admin.compute.get_server_console_output(server)["output"]
    return "\n".join(said.splitlines()[-60:])
