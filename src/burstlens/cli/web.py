"""`burstlens web`: one replica of the web tier."""

import asyncio
from typing import Annotated

import typer

from burstlens.cli.common import Config, Data, run_until_signalled
from burstlens.settings import load_settings
from burstlens.tiers import run_web

Host = Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1", show_default=False)]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one. Default: 8000", show_default=False)
]


def web(config: Config = None, data: Data = None, host: Host = None, port: Port = None) -> None:
    """Take images in over HTTP and give labels back.

    Example: burstlens web --config burstlens.toml --port 8000
    """
    settings = load_settings(config, data=data).with_web(host=host, port=port)

    async def tier(stop: asyncio.Event) -> None:
        await run_web(settings, stop, announce)

    run_until_signalled(tier)


def announce(url: str) -> None:
    """Tell the person at the terminal where the server is."""
    typer.echo(f"burstlens is ready on {url}")
