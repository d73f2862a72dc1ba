"""`burstlens image`: the images that instances start from."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.cli.common import Config
from burstlens.errors import Misconfigured
from burstlens.settings import Settings, load_settings

if TYPE_CHECKING:
    from burstlens.cli.image_ec2 import Ec2Images
    from burstlens.cli.image_openstack import OpenStackImages

image = typer.Typer(
    help="Bake, import, export, list and prune the images that instances start from.", no_args_is_help=True
)


class Target(StrEnum):
    """A cloud that has images."""

    EC2 = "ec2"
    OPENSTACK = "openstack"


class DiskFormat(StrEnum):
    """As `burstlens.deploy.openstack_image.disk.Format`."""

    VMDK = "vmdk"
    QCOW2 = "qcow2"
    VHD = "vhd"
    RAW = "raw"


Where = Annotated[Target, typer.Option(help="Whose images.")]


@image.command()
def bake(
    cloud: Annotated[Target, typer.Option(help="Where the image is for.")],
    config: Config = None,
    wheel: Annotated[
        Path | None, typer.Option(help="The wheel to install. Default: built from these sources.", show_default=False)
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option(help="An extra of the package to install beside those of its cloud; may be repeated."),
    ] = None,
    base: Annotated[
        str,
        typer.Option(
            help="ec2: image to start from, ami-…. Default: the newest official Debian 12.", show_default=False
        ),
    ] = "",
    instance_type: Annotated[
        str,
        typer.Option(help="ec2: of the builder, which lives for some minutes. Default: t3.medium", show_default=False),
    ] = "",
    subnet: Annotated[
        str,
        typer.Option(help="ec2: of the builder, subnet-…. Default: the first that a pool names.", show_default=False),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(help="openstack: folder that keeps the disk as qcow2 and as VMDK, too.", show_default=False),
    ] = None,
    upload: Annotated[bool, typer.Option(help="openstack: put it into Glance.")] = True,
) -> None:
    """Make an image with the package in it, and put it where instances start from it. Baked already: only the latter.

    On ec2 a builder makes it, and it goes into the launch template. For openstack it is made here, as root on Debian,
    and goes into Glance.

    Example: burstlens image bake --cloud ec2 --wheel burstlens-0.1.0-py3-none-any.whl
    """
    if cloud is Target.EC2:
        if output is not None or not upload:
            message = "--output and --no-upload are of --cloud openstack; on ec2, see: burstlens image export"
            raise Misconfigured(message)
        settings = load_settings(config)
        _ec2(settings).bake(wheel, extra or (), _model(settings), base, instance_type or "t3.medium", subnet)
        return
    if base or instance_type or subnet:
        message = "--base, --instance-type and --subnet are of --cloud ec2: for openstack, this machine bakes"
        raise Misconfigured(message)
    settings = load_settings(config)
    _openstack(settings).bake(wheel, extra or (), _model(settings), output, uploaded=upload)


@image.command("import")
def import_image(
    source: Annotated[
        str, typer.Argument(metavar="FILE|S3-URL", help="A disk: VMDK, qcow2, VHD or raw; or s3://BUCKET/KEY of one.")
    ],
    config: Config = None,
    name: Annotated[
        str, typer.Option(help="Of the image. Default: the fleet's name and the file's.", show_default=False)
    ] = "",
    disk_format: Annotated[
        DiskFormat | None,
        typer.Option("--format", help="What the file has to be. Default: what it is.", show_default=False),
    ] = None,
) -> None:
    """Put a disk into Glance, such as an exported AMI, so that instances of the private cloud can start from it.

    What Glance would not take is converted. Imported already: nothing is uploaded again.

    Example: burstlens image import s3://my-fleet-bucket/exports/export-ami-0123456789abcdef0.vmdk
    """
    _openstack(load_settings(config)).import_disk(source, name, disk_format or "")


@image.command("list")
def list_images(
    config: Config = None,
    cloud: Where = Target.EC2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the fleet's images, the newest first.

    Example: burstlens image list --json
    """
    rows = _images(load_settings(config), cloud).rows()
    if as_json:
        typer.echo(json.dumps([dict(row.details) for row in rows], indent=1))
        return
    table = Table("image", "name", "created", "state", "size", "", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, (*row.cells, "in use" if row.in_use else "")))
    Console().print(table)


@image.command()
def prune(
    config: Config = None,
    cloud: Where = Target.EC2,
    keep: Annotated[int, typer.Option(min=0, help="How many to keep beside those in use.")] = 2,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove old images, on ec2 with their snapshots; never one that is in use.

    Example: burstlens image prune --keep 1 --yes
    """
    old = _images(load_settings(config), cloud).old(keep)
    for line in old.lines:
        typer.echo(line)
    if not old.lines:
        typer.echo("there is nothing to remove")
        return
    if not yes:
        typer.confirm(f"Remove {len(old.lines)} of {old.of}?", abort=True)
    old.remove()


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
    _ec2(load_settings(config)).export(image_id, role)


def _images(settings: Settings, cloud: Target) -> "Ec2Images | OpenStackImages":
    return _ec2(settings) if cloud is Target.EC2 else _openstack(settings)


def _ec2(settings: Settings) -> "Ec2Images":
    from burstlens.cli.image_ec2 import Ec2Images

    return Ec2Images(settings, typer.echo)


def _openstack(settings: Settings) -> "OpenStackImages":
    from burstlens.cli.image_openstack import OpenStackImages

    return OpenStackImages(settings, typer.echo)


def _model(settings: Settings) -> str:
    """What is converted into the image's cache: only models of the catalogue are."""
    from burstlens.recognition.catalog import MODELS

    return settings.model.name if settings.model.name in MODELS else next(iter(MODELS))
