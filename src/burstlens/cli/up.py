"""`burstlens up`: the whole system on one machine."""

import asyncio

from burstlens.cli.autoscale import MaxInstances
from burstlens.cli.common import Config, Data, run_until_signalled
from burstlens.cli.web import Host, Port, announce
from burstlens.settings import load_settings
from burstlens.tiers import run_all


def up(
    config: Config = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
    max_instances: MaxInstances = None,
) -> None:
    """Serve until interrupted: web tier, autoscaler, embedded queue and buckets, and a fleet of worker processes.

    What it keeps is in ./burstlens-data and survives a restart.

    Example: burstlens up --port 8000 --max-instances 2
    """
    settings = load_settings(config, data=data).with_web(host=host, port=port)
    settings = settings.with_scaling(max_instances=max_instances)

    async def tier(stop: asyncio.Event) -> None:
        await run_all(settings, stop, announce)

    run_until_signalled(tier)
