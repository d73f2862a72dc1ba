"""`burstlens image`: the images that instances start from."""

import asyncio
import json
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.cli.common import Config
from burstlens.clock import SystemClock
from burstlens.errors import NotFound
from burstlens.settings import Settings, load_settings

if TYPE_CHECKING:
    from burstlens.deploy.aws.account import Account
    from burstlens.deploy.aws.images import Image, Images

image = typer.Typer(help="Bake, list, prune and export the images that instances start from.", no_args_is_help=True)

Result = TypeVar("Result")


class Target(StrEnum):
    """A cloud that has images."""

    EC2 = "ec2"


@image.command()
def bake(
    cloud: Annotated[Target, typer.Option(help="Where the image is for.")],
    config: Config = None,
    wheel: Annotated[
        Path | None, typer.Option(help="The wheel to install. Default: built from these sources.", show_default=False)
    ] = None,
    base: Annotated[
        str,
        typer.Option(help="Image to start from, ami-…. Default: the newest official Debian 12.", show_default=False),
    ] = "",
    instance_type: Annotated[str, typer.Option(help="Of the builder, which lives for some minutes.")] = "t3.medium",
    subnet: Annotated[
        str,
        typer.Option(help="Of the builder, subnet-…. Default: the first that a pool names.", show_default=False),
    ] = "",
    extra: Annotated[
        list[str] | None, typer.Option(help="An extra of the package to install beside aws; may be repeated.")
    ] = None,
) -> None:
    """Make an image with the package in it and put it into the launch template. Baked already: only the latter.

    Example: burstlens image bake --cloud ec2 --wheel burstlens-0.1.0-py3-none-any.whl
    """
    from burstlens.deploy.aws.bake import Baker, Order
    from burstlens.deploy.aws.fleet_bucket import FleetBucket
    from burstlens.deploy.aws.stack_image import builder_site, use_image
    from burstlens.deploy.wheel import wheel_at

    del cloud
    settings = load_settings(config)
    account = _account(settings)
    bucket = FleetBucket(account.session, settings)
    site = builder_site(account, instance_type, subnet or _subnet(settings))
    with wheel_at(wheel) as found:
        order = Order(found, site, base, tuple(extra or ()), _model(settings))
        baked = _run(Baker(account.session, settings.fleet, bucket, SystemClock(), typer.echo).bake(order))
    if use_image(account, baked.id, baked.root_device):
        typer.echo(f"{baked.id} is in the launch template: every new instance starts from it")
    else:
        typer.echo(f"{baked.id} was in the launch template already")


@image.command("list")
def list_images(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the fleet's images, the newest first.

    Example: burstlens image list --json
    """
    settings = load_settings(config)
    found, used = _found_and_used(settings)
    if as_json:
        typer.echo(json.dumps([_as_json(each, used) for each in found], indent=1))
        return
    table = Table("image", "version", "created", "state", "size", "", box=None, pad_edge=False)
    for each in found:
        size = f"{each.gigabytes} GiB"
        cells = (each.id, each.source.version, each.created, each.state, size, "in use" if each.id in used else "")
        table.add_row(*map(Text, cells))
    Console().print(table)


@image.command()
def prune(
    config: Config = None,
    keep: Annotated[int, typer.Option(min=0, help="How many to keep beside the one in use.")] = 2,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove old images with their snapshots, never one that is in use.

    Example: burstlens image prune --keep 1 --yes
    """
    from burstlens.deploy.aws.images import superfluous

    settings = load_settings(config)
    found, used = _found_and_used(settings)
    old = superfluous(found, used, keep)
    for each in old:
        typer.echo(f"{each.id} {each.source.version} {each.created}")
    if not old:
        typer.echo("there is nothing to remove")
        return
    if not yes:
        typer.confirm(f"Remove {len(old)} of {len(found)}?", abort=True)
    _run(_remove(_images(settings), old))


@image.command()
def export(
    image_id: Annotated[
        str, typer.Argument(metavar="[IMAGE]", help="ami-…. Default: the one in use.", show_default=False)
    ] = "",
    config: Config = None,
    role: Annotated[
        str,
        typer.Option(
            help="A role of the account that VM Import/Export may take, such as vmimport; it gets a policy meanwhile. "
            "Default: one is made, and removed at the end.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Export an image as a VMDK file into the fleet's bucket. Interrupted, the export is cancelled.

    Example: burstlens image export
    """
    from burstlens.deploy.aws.export import Exporter
    from burstlens.deploy.aws.fleet_bucket import FleetBucket

    settings = load_settings(config)
    session = _account(settings).session
    bucket = FleetBucket(session, settings)
    exporter = Exporter(session, settings.fleet, bucket, SystemClock(), typer.echo, role)

    key, size = _run(exporter.export(_named_or_used(settings, image_id)))
    typer.echo(f"s3://{bucket.name}/{key} {size / 1e9:.2f} GB")


def _named_or_used(settings: Settings, image_id: str) -> "Image":
    if image_id:
        return _run(_images(settings).get(image_id))
    found, used = _found_and_used(settings)
    for each in found:
        if each.id in used:
            return each
    message = f"no image of {settings.fleet} is in use; name one, see: burstlens image list"
    raise NotFound(message)


def _found_and_used(settings: Settings) -> tuple[list["Image"], set[str]]:
    """The fleet's images, and the ids of those that instances start from."""
    from burstlens.deploy.aws.stack_image import image_in_use

    used = {pool.image for pool in settings.fleet_pools() if pool.image}
    with suppress(NotFound):  # without a stack there is no launch template
        used.add(image_in_use(_account(settings)))
    return _run(_images(settings).all()), used


async def _remove(images: "Images", old: Sequence["Image"]) -> None:
    for each in old:
        await images.remove(each)
        typer.echo(f"removed {each.id}")


def _as_json(found: "Image", used: set[str]) -> dict[str, object]:
    return {
        "id": found.id,
        "name": found.name,
        "version": found.source.version,
        "created": found.created,
        "state": found.state,
        "gigabytes": found.gigabytes,
        "in_use": found.id in used,
        "base": found.source.base,
        "wheel": found.source.wheel,
    }


def _images(settings: Settings) -> "Images":
    from burstlens.deploy.aws.images import Images

    return Images(_account(settings).session, settings.fleet, SystemClock())


def _account(settings: Settings) -> "Account":
    from burstlens.aws.session import AwsSession
    from burstlens.deploy.aws.account import Account

    return Account(AwsSession(settings.aws), settings.fleet, SystemClock(), typer.echo)


def _model(settings: Settings) -> str:
    """What is converted into the image's cache: only models of the catalogue are."""
    from burstlens.recognition.catalog import MODELS

    return settings.model.name if settings.model.name in MODELS else next(iter(MODELS))


def _subnet(settings: Settings) -> str:
    zones = (zone for pool in settings.fleet_pools() for zone in pool.zones)
    return next((zone for zone in zones if zone.startswith("subnet-")), "")


def _run(work: Coroutine[None, None, Result]) -> Result:
    """Run it to its end; SIGINT and SIGTERM cancel it, so that it removes what it has made.

    Raises:
        KeyboardInterrupt: it was cancelled.
    """

    async def cancellable() -> Result:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
