"""The lab's AWS account: who asks, and what is in it before a deployment runs there."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import TYPE_CHECKING

from burstlens.aws.session import call_blocking
from burstlens.errors import Unavailable
from burstlens.settings import load_settings

if TYPE_CHECKING:
    from botocore.client import BaseClient

REGION = "eu-central-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}
"""moto takes any."""
ROLE_CREDENTIALS = {"AccessKeyId": "lab", "SecretAccessKey": "lab", "Token": "lab"}
"""What an instance gets from its metadata."""


IMAGES = Path(__file__).with_name("images.json")
"""All machine images that there are, as moto reads them ($MOTO_AMIS_PATH)."""
IMAGE = "ami-00000000000000001"
VOLUME_GIB = 8


def client(service: str, endpoint: str) -> "BaseClient":
    """A client of one service of the lab, with the lab's own credentials whatever is in the environment. Blocks.

    It asks once: on loopback, what does not answer is not there any more.
    """
    from botocore.config import Config
    from botocore.session import Session

    return Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        config=Config(retries={"total_max_attempts": 1}),
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


async def deploy(endpoint: str, config: Path) -> None:
    """Put what the deployment of this settings file needs into the account, as an operator would.

    Raises:
        Unavailable: it failed; the text is what the command said.
    """
    private = ["--private-cloud"] if load_settings(config).aws.worker_role else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "burstlens", "deploy", "aws", "up", "--yes"),
        *("--config", str(config), "--image", IMAGE, *private),
        env={**os.environ, **CREDENTIALS, "BURSTLENS_AWS__ENDPOINT": endpoint},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        message = f"`burstlens deploy aws up` ended with code {process.returncode}:\n{said.decode()}"
        raise Unavailable(message)
    await asyncio.to_thread(_name_volume_sizes, client("ec2", endpoint))


def _name_volume_sizes(ec2: "BaseClient") -> None:
    """Say what AWS takes from the image: moto refuses a volume of a launch template that has no size. Blocks."""
    for template in call_blocking(ec2, "describe_launch_templates")["LaunchTemplates"]:
        name = template["LaunchTemplateName"]
        which = {"LaunchTemplateName": name, "Versions": ["$Latest"]}
        (latest,) = call_blocking(ec2, "describe_launch_template_versions", **which)["LaunchTemplateVersions"]
        data = latest["LaunchTemplateData"]
        for mapping in data.get("BlockDeviceMappings", []):
            mapping["Ebs"].setdefault("VolumeSize", VOLUME_GIB)
        call_blocking(ec2, "create_launch_template_version", LaunchTemplateName=name, LaunchTemplateData=data)
