"""`burstlens dead-letters`: requests that failed too often; see why, let them try again, or forget them (R10)."""

import json
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.buckets import Layout
from burstlens.cli.common import Config, Data
from burstlens.dead_letters import described, detailed, find, forget, opened_request
from burstlens.errors import Misconfigured
from burstlens.lane import Lane
from burstlens.queues.base import DeadLetter
from burstlens.settings import Settings, load_settings

dead_letters = typer.Typer(help="Look at, retry and forget requests that failed too often.", no_args_is_help=True)

T = TypeVar("T")

Ids = Annotated[list[str] | None, typer.Argument(help="The ids that the list shows.", metavar="[ID]...")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter there is.")]


@dead_letters.command("list")
def list_letters(
    config: Config = None,
    data: Data = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the oldest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each line.")] = False,
) -> None:
    """List the dead letters, the oldest first.

    Example: burstlens dead-letters list --limit 20
    """
    letters, count = _with_lane(load_settings(config, data=data), lambda lane: _read(lane, limit))
    if as_json:
        for letter in letters:
            typer.echo(json.dumps(described(letter)))
    elif not letters:
        typer.echo("no dead letters")
    else:
        Console().print(_table(letters))
        if count > len(letters):
            typer.echo(f"and {count - len(letters)} more; see --limit")


@dead_letters.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="An id that the list shows.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Show one dead letter: why it died, its request, and where its image is.

    Example: burstlens dead-letters show 17
    """
    settings = load_settings(config, data=data)
    buckets = settings.resolved().buckets
    images = buckets.inputs if buckets.layout is Layout.ID else buckets.fleet

    async def look(lane: Lane) -> dict[str, object]:
        (letter,) = await find(lane, [letter_id])
        return await detailed(letter, lane, images)

    typer.echo(json.dumps(_with_lane(settings, look), indent=2, ensure_ascii=False))


@dead_letters.command()
def redrive(ids: Ids = None, everything: All = False, config: Config = None, data: Data = None) -> None:
    """Put dead letters back into the request queue, to be tried anew.

    Example: burstlens dead-letters redrive --all
    """
    chosen = _chosen(ids, everything)

    async def act(lane: Lane) -> int:
        if chosen is not None:
            await find(lane, chosen)
        return await lane.requests.redrive(chosen)

    typer.echo(f"redriven: {_with_lane(load_settings(config, data=data), act)}")


@dead_letters.command()
def purge(
    ids: Ids = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
    data: Data = None,
) -> None:
    """Forget dead letters for good. With the layout `id`, their images stay in the input bucket.

    Example: burstlens dead-letters purge --all --yes
    """
    settings, chosen = load_settings(config, data=data), _chosen(ids, everything)
    if not yes:
        what = "every dead letter" if chosen is None else f"{len(chosen)} dead letter(s)"
        if not typer.confirm(f"Forget {what} for good?"):
            typer.echo("nothing was purged")
            return
    typer.echo(f"purged: {_with_lane(settings, lambda lane: forget(lane, chosen))}")


def _chosen(ids: Sequence[str] | None, everything: bool) -> list[str] | None:
    """The ids without repetition, or None for all."""
    if bool(ids) == everything:
        message = "name the dead letters by their ids, or say --all" + (", not both" if everything else "")
        raise Misconfigured(message)
    return list(dict.fromkeys(ids)) if ids else None


def _with_lane(settings: Settings, act: Callable[[Lane], Coroutine[Any, Any, T]]) -> T:
    """What `act` returns of the lane of these settings."""
    import asyncio

    import uvloop

    from burstlens.clock import SystemClock
    from burstlens.settings.adapters import opened_lane

    async def run() -> T:
        async with opened_lane(settings, SystemClock()) as lane:
            return await act(lane)

    # On asyncio's own loop, one of some ten processes that end right after a call to a bucket aborts: obstore's thread
    # is then still in `call_soon_threadsafe`, which uvloop never leaves the interpreter's lock in.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def _read(lane: Lane, limit: int) -> tuple[list[DeadLetter], int]:
    letters = await lane.requests.dead_letters(limit)
    return letters, await lane.requests.dead_letter_count() if letters else 0


def _table(letters: Sequence[DeadLetter]) -> Table:
    table = Table("id", "request", "file", "attempts", "died", "reason", box=None, pad_edge=False)
    for letter in letters:
        request = opened_request(letter)
        table.add_row(
            Text(letter.message_id),
            Text(request.id if request else "?"),
            Text(request.filename if request else "?"),
            str(letter.attempts),
            datetime.fromtimestamp(letter.died_at, UTC).isoformat(" ", "seconds").removesuffix("+00:00"),
            Text(letter.reason),
        )
    return table
