"""`burstlens explain`: what the autoscaler decided, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from burstlens.cli.common import Config, Data
from burstlens.settings import Settings, load_settings

if TYPE_CHECKING:
    from burstlens.scaling.decision import Decision

Last = Annotated[int, typer.Option("--last", min=1, help="How many decisions, the last ones.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for each line, with all that was seen.")]


def explain(config: Config = None, data: Data = None, last: Last = 20, as_json: AsJson = False) -> None:
    """Say in words what the autoscaler saw, wanted and did, the oldest first. A decision that held is told once.

    Example: burstlens explain --last 5
    """
    from burstlens.scaling.words import story

    settings = load_settings(config, data=data)
    decisions = read_decisions(settings, last)
    if as_json:
        lines = [decision.to_json() for decision in decisions]
    elif decisions:
        lines = list(story(decisions))
    else:
        where = settings.resolved().buckets.fleet
        lines = [f"no decisions yet in {where}: has `burstlens autoscale` run with these settings?"]
    for line in lines:
        typer.echo(line)


def read_decisions(settings: Settings, count: int) -> "list[Decision]":
    """The last decisions in the fleet bucket of these settings, oldest first."""
    import asyncio

    import uvloop

    from burstlens.buckets import Bucket
    from burstlens.clock import SystemClock
    from burstlens.scaling.decision_log import DecisionLog
    from burstlens.settings.adapters import open_fleet_bucket

    log = DecisionLog(Bucket(open_fleet_bucket(settings)), SystemClock())
    # Not on asyncio's own loop: see `burstlens.cli.dead_letters`.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(log.last(count))
