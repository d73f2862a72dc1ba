"""The command line: one module for each command, none with logic of its own."""

import gc
import importlib
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

from burstlens import __version__
from burstlens.errors import BurstlensError
from burstlens.logs import configure_logs

COMMANDS = (
    *("up", "demo", "classify", "load", "model", "faces", "web", "worker", "autoscale"),
    *("explain", "simulate", "replay", "plan", "deploy", "image", "dead-letters"),
)
"""In the order of the help text. Each is the function, or the group of commands, of that name (- is _) in the module of
that name."""

FAILED, INTERRUPTED = 1, 130


def main() -> None:
    """Run the command that the command line names; every foreseen error is one line and a non-zero exit."""
    configure_logs()
    # Pillow warns of damaged metadata in the picture's own words: noise without end, from hostile pictures.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        sys.exit(_imported(sys.argv[1:])(sys.argv[1:] or ["--help"], standalone_mode=False))
    except typer.TyperException as error:
        sys.exit(_complain(error.format_message(), error.exit_code))
    except BurstlensError as error:
        sys.exit(_complain(str(error), FAILED))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_complain("interrupted", INTERRUPTED))


def _imported(arguments: list[str]) -> typer.Typer:
    """What `build` gives. Nothing that imports leave behind is garbage: to look for it takes a tenth of the start."""
    gc.disable()
    try:
        return build(arguments)
    finally:
        gc.enable()
        gc.freeze()


def build(arguments: list[str]) -> typer.Typer:
    """The application with the commands that these arguments can reach.

    Only the module of the command that is named is imported: a worker must not wait for the web framework.
    """
    app = typer.Typer(
        name="burstlens",
        help="Elastic image recognition: images in over HTTP, a fleet that grows and shrinks, labels out.",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    reachable = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    for name in reachable:
        command = _command(name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _command(name: str) -> typer.Typer | Callable[..., None]:
    variable = name.replace("-", "_")
    command: typer.Typer | Callable[..., None] = getattr(importlib.import_module(f"burstlens.cli.{variable}"), variable)
    return command


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"burstlens {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    del version


def _complain(message: str, code: int) -> int:
    typer.echo(f"burstlens: {message}", err=True)
    return code
