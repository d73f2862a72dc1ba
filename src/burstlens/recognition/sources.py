"""From what a model is called to the `Model`: its file, its manifest, its labels, all on this machine."""

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from burstlens.aws.options import AwsOptions
from burstlens.errors import Misconfigured, NotFound
from burstlens.recognition.catalog import MODELS, catalogue_model, known_picture
from burstlens.recognition.hub import Hub
from burstlens.recognition.labels import labels
from burstlens.recognition.manifest import IMAGENET, Manifest, read_manifest
from burstlens.recognition.model import KnownPicture, Model
from burstlens.recognition.origins import BucketFolder, Folder, Origin

_EXAMPLE = 'title = "my-model", size = 224, mean = [123.7, 116.3, 103.5], scale = [58.4, 57.1, 57.4]'

HERE = AwsOptions()
"""AWS as the environment of this process has it."""


def find_model(reference: str, manifest: str = "", cache: Path | None = None, aws: AwsOptions = HERE) -> Model:
    """The model `reference` with its files on this machine, fetched or converted on first use. Blocks.

    `reference` is a name of the catalogue, the path or URL of an ``.onnx`` file (``s3://…``, ``file://…``), or
    ``hf://OWNER/REPO/FILE``. `manifest` is the path or URL of its manifest, by default the same name with ``.toml``.
    `cache` is the folder for what is fetched or converted; None is the default one. `aws` says where S3 is.

    Raises:
        Misconfigured: there is no such model, its manifest is wrong, or the cache cannot be used.
        Unavailable: it cannot be fetched now.
        UntrustedWeights: the installed package holds other weights than those that were reviewed.
    """
    if reference in MODELS:
        if manifest:
            message = f"model.manifest: {reference} is of the catalogue and brings its own manifest"
            raise Misconfigured(message)
        return catalogue_model(reference, cache)
    if not reference.endswith(".onnx"):
        message = (
            f"there is no model {reference!r}; the models are: {', '.join(MODELS)}, faces, "
            "or the path or URL of an .onnx file"
        )
        raise Misconfigured(message)
    try:
        return _from_origin(reference, manifest, cache, aws)
    except NotFound as error:
        raise Misconfigured(str(error)) from error


def _from_origin(reference: str, manifest: str, cache: Path | None, aws: AwsOptions) -> Model:
    origin, name = _origin(reference, cache, aws)
    beside = (origin, f"{name.removesuffix('.onnx')}.toml")
    companions, manifest_name = _origin(manifest, cache, aws) if manifest else beside
    own = _manifest(companions, manifest_name)
    names = _labels(own, companions)
    known = _known(own, names, companions)
    file, sha256 = origin.model(name, own, cache)
    return Model(reference, file, sha256, own, names, known)


def _origin(reference: str, cache: Path | None, aws: AwsOptions) -> tuple[Origin, str]:
    """The place and the file's name in it."""
    if reference.startswith("hf://"):
        return Hub.parse(reference, cache)
    if reference.startswith("file://"):
        # `url2pathname` does the same here, but importing it takes 8 ms of every start.
        reference = unquote(urlsplit(reference).path)
    if "://" in reference:
        folder, _, name = reference.rpartition("/")
        return BucketFolder(folder, aws), name
    path = Path(reference)
    return Folder(path.parent), path.name


def _manifest(companions: Origin, name: str) -> Manifest:
    where = companions.where(name)
    try:
        text = _text(companions, name)
    except NotFound:
        message = f"the model needs a manifest, {where}; a short one is: {_EXAMPLE} (each on a line; docs/models.md)"
        raise Misconfigured(message) from None
    return read_manifest(text, where)


def _labels(manifest: Manifest, companions: Origin) -> tuple[str, ...]:
    if manifest.labels == IMAGENET:
        return labels()
    if not isinstance(manifest.labels, str):
        return manifest.labels
    name = _beside(manifest.labels)
    names = tuple(_text(companions, name).splitlines())
    if not names or not all(line.strip() for line in names):
        message = f"{companions.where(name)} must have one label on each line, and no empty line"
        raise Misconfigured(message)
    return names


def _known(manifest: Manifest, names: tuple[str, ...], companions: Origin) -> KnownPicture | None:
    if manifest.known is None:
        # Nobody said that this model knows it; but one that does not see it at all is fed the wrong way.
        return known_picture(within=5) if manifest.labels == IMAGENET else None
    if manifest.known.label not in names:
        message = f"the manifest's known picture shows {manifest.known.label!r}, which is none of the model's labels"
        raise Misconfigured(message)
    return KnownPicture(companions.read(_beside(manifest.known.picture)), manifest.known.label, within=1)


def _text(companions: Origin, name: str) -> str:
    try:
        # Editors of one system put a byte order mark first.
        return companions.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{companions.where(name)} is not UTF-8"
        raise Misconfigured(message) from error


def _beside(name: str) -> str:
    """The name of a file beside the manifest, and of nothing else."""
    if PurePosixPath(name).name != name or name == ".." or "\\" in name or "\0" in name:
        message = f"the manifest names {name!r}; only files beside it can be named, without a folder"
        raise Misconfigured(message)
    return name
