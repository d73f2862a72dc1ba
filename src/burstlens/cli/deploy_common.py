"""What `burstlens deploy aws` and `burstlens deploy openstack` share: options, and how an operator is asked."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from burstlens.errors import Misconfigured

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file, which `up` writes. Default: $BURSTLENS_CONFIG, else burstlens.toml in this folder.",
        show_default=False,
    ),
]
Fleet = Annotated[
    str | None, typer.Option(help="Name of the fleet. Default: that of the settings, burstlens.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def check_terminal(yes: bool) -> None:
    """Raise `Misconfigured` when the operator would be asked, and is not there."""
    if not yes and not sys.stdin.isatty():
        message = "there is no terminal to ask on: look at it with `plan` or `status`, then say --yes"
        raise Misconfigured(message)


def agreement(yes: bool) -> Callable[[], bool]:
    """Asks the operator, who may have said yes already."""
    return lambda: yes or typer.confirm("Do this?")
