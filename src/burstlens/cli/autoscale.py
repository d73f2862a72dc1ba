"""`burstlens autoscale`: the autoscaler alone."""

import asyncio
from typing import Annotated

import typer

from burstlens.cli.common import Config, Data, run_until_signalled
from burstlens.settings import load_settings
from burstlens.tiers import run_autoscaler

MaxInstances = Annotated[
    int | None,
    typer.Option(min=0, help="Never more instances than this. Default on one machine: its cores", show_default=False),
]


def autoscale(config: Config = None, data: Data = None, max_instances: MaxInstances = None) -> None:
    """Grow and shrink the fleet with the queue. Its instances go on when it stops, and are found again.

    Example: burstlens autoscale --config burstlens.toml --max-instances 4
    """
    settings = load_settings(config, data=data).with_scaling(max_instances=max_instances)

    async def tier(stop: asyncio.Event) -> None:
        await run_autoscaler(settings, stop)

    run_until_signalled(tier)
