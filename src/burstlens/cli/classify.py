"""`burstlens classify`: label files, without a server."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.cli.common import Config
from burstlens.messages import MAX_TOP_K
from burstlens.recognition.base import ImageError, Recognition, Recognizer
from burstlens.settings import load_settings
from burstlens.settings.adapters import open_recognizer


def classify(
    files: Annotated[list[Path], typer.Argument(help="Images to label.", show_default=False)],
    config: Config = None,
    top_k: Annotated[int, typer.Option(min=1, max=MAX_TOP_K, help="Labels for each image.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Label image files here and now. The exit code is 1 if any of them has no label.

    Example: burstlens classify cat.jpg dog.png --top-k 3
    """
    recognizer = open_recognizer(load_settings(config))
    outcomes = [(file, _recognise(recognizer, file, top_k)) for file in files]
    if as_json:
        for file, outcome in outcomes:
            typer.echo(json.dumps(_plain(file, outcome), ensure_ascii=False))
    else:
        Console().print(_table(outcomes))
    if any(isinstance(outcome, str) for _, outcome in outcomes):
        raise typer.Exit(1)


def _recognise(recognizer: Recognizer, file: Path, top_k: int) -> Recognition | str:
    """The recognition, or in words why there is none."""
    try:
        image = file.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    (outcome,) = recognizer.recognise([image], top_k)
    return str(outcome) if isinstance(outcome, ImageError) else outcome


def _plain(file: Path, outcome: Recognition | str) -> dict[str, Any]:
    if isinstance(outcome, str):
        return {"file": str(file), "error": outcome}
    best, top = outcome.top[0], [score.model_dump() for score in outcome.top]
    return {"file": str(file), "label": best.label, "score": best.score, "top": top}


def _table(outcomes: list[tuple[Path, Recognition | str]]) -> Table:
    table = Table("image", "label", "score", box=None, pad_edge=False)
    for file, outcome in outcomes:
        if isinstance(outcome, str):
            table.add_row(Text(str(file)), Text(outcome, style="red"), "")
            continue
        for number, score in enumerate(outcome.top):
            table.add_row(Text("" if number else str(file)), Text(score.label), f"{score.score:.3f}")
    return table
