"""`burstlens faces`: whom the model `faces` knows."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.cli.common import Config, Data
from burstlens.recognition.faces.index import FaceIndex
from burstlens.recognition.faces.store import read_index, write_index
from burstlens.settings import load_settings
from burstlens.settings.adapters import decode_limits, open_fleet_bucket

faces = typer.Typer(help="Tell the model `faces` who is who.", no_args_is_help=True)


@faces.command("index")
def learn(
    folder: Annotated[
        Path, typer.Argument(help="One picture NAME.jpg, or one folder NAME of pictures, for each person.")
    ],
    config: Config = None,
    data: Data = None,
) -> None:
    """Learn the people of a folder; workers that start from now on know these and nobody else.

    Example: burstlens faces index people --data burstlens-data
    """
    from burstlens.recognition.faces.embedding import Embedder
    from burstlens.recognition.faces.gallery import read_gallery

    settings = load_settings(config, data=data)
    index = read_gallery(folder, decode_limits(settings), Embedder())
    write_index(open_fleet_bucket(settings), index.to_bytes())
    typer.echo(f"people: {len(index.people)}, pictures: {sum(index.pictures)}")


@faces.command("list")
def list_people(config: Config = None, data: Data = None) -> None:
    """List the people that are known.

    Example: burstlens faces list --data burstlens-data
    """
    index = FaceIndex.parse(read_index(open_fleet_bucket(load_settings(config, data=data))))
    table = Table("person", "pictures", box=None, pad_edge=False)
    for person, pictures in zip(index.people, index.pictures, strict=True):
        table.add_row(Text(person), str(pictures))
    Console().print(table)
