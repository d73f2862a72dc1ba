"""AWS on one machine: moto on loopback, and a stand-in for the hypervisor that runs the instances. ``make lab-aws``."""

import argparse
import asyncio
import contextlib
import shlex
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burstlens.errors import BurstlensError
from burstlens.recognition.cache import default_cache
from lab.account import CREDENTIALS, IMAGES, client, deploy
from lab.ec2 import Ec2Hypervisor
from lab.hypervisor import BOOT_SECONDS
from lab.server import MOTO, serving

if TYPE_CHECKING:
    from botocore.client import BaseClient

PORT = 5555
CONFIG = Path(__file__).with_name("aws.toml")
"""The settings of a deployment here, at `PORT`; elsewhere, $BURSTLENS_AWS__ENDPOINT says where."""


@dataclass(frozen=True, slots=True)
class AwsLab:
    """A lab that runs."""

    endpoint: str
    hypervisor: Ec2Hypervisor

    def client(self, service: str) -> "BaseClient":
        """A client of one of its services. Blocks for some 0.2 s."""
        return client(service, self.endpoint)


@contextlib.asynccontextmanager
async def aws_lab(
    folder: Path, cache: Path, port: int = 0, boot_seconds: float = BOOT_SECONDS, config: Path = CONFIG
) -> AsyncIterator[AwsLab]:
    """Run the lab while the block runs; afterwards no process of it is left.

    Args:
        folder: holds the disks of its machines, with the logs of what they ran; made when missing.
        cache: models, shared by all machines.
        port: of moto, on loopback; 0 takes a free one.
        boot_seconds: from an instance's birth to its first process.
        config: the settings of what is deployed in it.

    Raises:
        Misconfigured: the port is taken.
        Unavailable: the deployment's content could not be made.
    """
    async with serving(MOTO, port, MOTO_AMIS_PATH=str(IMAGES)) as endpoint:
        await deploy(endpoint, config)
        ec2 = await asyncio.to_thread(client, "ec2", endpoint)
        hypervisor = Ec2Hypervisor(ec2, folder, cache, boot_seconds)
        async with hypervisor.running():
            yield AwsLab(endpoint, hypervisor)


async def _until_interrupted(folder: Path, port: int, boot_seconds: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with aws_lab(folder, default_cache(), port, boot_seconds) as lab:
        print(_instructions(lab.endpoint, folder), flush=True)
        await stop.wait()


def _instructions(endpoint: str, folder: Path) -> str:
    keys = " ".join(f"{name}={value}" for name, value in CREDENTIALS.items())
    elsewhere = "" if endpoint.endswith(f":{PORT}") else f"  export BURSTLENS_AWS__ENDPOINT={endpoint}\n"
    return (
        f"AWS is on {endpoint}. In another terminal, with .venv/bin in $PATH:\n"
        f"  export {keys}\n{elsewhere}"
        f"  burstlens up --config {shlex.quote(str(CONFIG))}\n"
        f"and then, as soon as that is ready, in a third one:\n"
        f"  burstlens load\n"
        f"The machines' logs are in {folder}. Ctrl-C ends the lab and removes all of it."
    )


def main() -> None:
    """Run until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m lab.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="of AWS, on loopback; 0 takes a free one (%(default)s)")
    parser.add_argument("--boot-seconds", type=float, default=BOOT_SECONDS, help="how long a boot takes (%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="burstlens-lab-", ignore_cleanup_errors=True) as folder:
        try:
            asyncio.run(_until_interrupted(Path(folder), given.port, given.boot_seconds))
        except BurstlensError as error:
            sys.exit(f"lab: {error}")


if __name__ == "__main__":
    main()
