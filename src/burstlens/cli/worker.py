"""`burstlens worker`: the app tier of one instance."""

import asyncio
import os
from typing import Annotated

import typer

from burstlens.app_tier import run_worker, supervise_workers
from burstlens.cli.common import Config, Data, run_until_signalled
from burstlens.settings import load_settings
from burstlens.worker.supervisor import SUPERVISED


def worker(
    config: Config = None,
    data: Data = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: one for each core.", show_default=False)
    ] = None,
) -> None:
    """Receive requests, recognise them, reply; SIGTERM drains.

    Example: burstlens worker --config burstlens.toml --processes 2
    """
    settings = load_settings(config, data=data).with_worker(processes=processes)

    async def tier(stop: asyncio.Event) -> None:
        if settings.worker_processes() == 1 or SUPERVISED in os.environ:
            await run_worker(settings, stop)
        else:
            await supervise_workers(settings, stop)

    run_until_signalled(tier)
