"""What `burstlens deploy openstack plan` and `up` are told of the private cloud."""

from pathlib import Path
from typing import Annotated

import typer

Cloud = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Its name in clouds.yaml. Default: that of the settings, else $OS_CLOUD.",
        show_default=False,
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|ID", help="What the server starts from, and workers. Default: as it is.", show_default=False
    ),
]
Flavor = Annotated[
    str | None, typer.Option(metavar="NAME|ID", help="Of the server. Default: as it is.", show_default=False)
]
WorkerFlavor = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|ID",
        help="Of workers, for a settings file that has no pool on OpenStack yet. Default: the server's.",
        show_default=False,
    ),
]
Zone = Annotated[
    str | None,
    typer.Option(help="Availability zone. Default: as it is; at first the cloud's choice.", show_default=False),
]
Cidr = Annotated[
    str | None,
    typer.Option(
        metavar="CIDR", help="Of the private network. Default: as it is; at first 192.168.10.0/24.", show_default=False
    ),
]
Dns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="DNS server of the private network; may be repeated. Default: as it is; at first the cloud's.",
        show_default=False,
    ),
]
External = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|ID",
        help="Network with the floating IPs. Default: as it is; at first the only one.",
        show_default=False,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Of the web tier. Default: as it is; at first 80.", show_default=False),
]
WebFrom = Annotated[
    str | None,
    typer.Option(
        metavar="CIDR", help="Who may reach it. Default: as it is; at first 0.0.0.0/0, everybody.", show_default=False
    ),
]
SshFrom = Annotated[
    str | None,
    typer.Option(
        metavar="CIDR|none",
        help="Who may reach the server's SSH. Default: as it is; at first none, nobody.",
        show_default=False,
    ),
]
SshKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Private key that may log in, its public one beside it as FILE.pub; or that one, for an agent's key. "
        "The credentials are handed over with it.",
        show_default=False,
    ),
]
SshUser = Annotated[str, typer.Option(metavar="NAME", help="The image's user, who may use sudo.")]
WebClouds = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A clouds.yaml for the server. Default: one with an application credential that is made for it.",
        show_default=False,
    ),
]
