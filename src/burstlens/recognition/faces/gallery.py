"""The gallery: a folder with one picture, or one sub-folder of pictures, for each person."""

from collections.abc import Iterator
from pathlib import Path

from burstlens.errors import Misconfigured
from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.faces.embedding import Embedder, Embedding, decode_for_faces
from burstlens.recognition.faces.index import FaceIndex
from burstlens.recognition.faces.recognizer import UNKNOWN


class _Unfit(Exception):
    """Why a file of the gallery shows nobody; its text is for the operator."""


def read_gallery(folder: Path, limits: DecodeLimits, embedder: Embedder) -> FaceIndex:
    """The index of a gallery: ``NAME.jpg`` or ``NAME/….jpg``, of any kind of picture that is read here.

    Each picture must show one face. Blocks for about 0.1 s a picture. Files whose names begin with a dot are skipped.

    Raises:
        Misconfigured: something in the folder cannot be used, or nothing is in it; every such file is named.
    """
    people: dict[str, list[Embedding]] = {}
    problems: list[str] = []
    try:
        for person, path in _pictures(folder):
            try:
                people.setdefault(person, []).append(_embedding(person, path, limits, embedder))
            except _Unfit as unfit:
                problems.append(f"{path.relative_to(folder)}: {unfit}")
    except OSError as error:
        message = f"the gallery {folder} cannot be read: {error.strerror or error}"
        raise Misconfigured(message) from error
    if problems:
        message = "\n  ".join([f"the gallery {folder} cannot be used; mend or remove these:", *problems])
        raise Misconfigured(message)
    if not people:
        message = f"the gallery {folder} is empty; put NAME.jpg, or a folder NAME of pictures, there for each person"
        raise Misconfigured(message)
    return FaceIndex.of(people)


def _pictures(folder: Path) -> Iterator[tuple[str, Path]]:
    """Whom each entry shows; a folder that holds nothing stands for itself."""
    for entry in _visible(folder):
        if entry.is_dir():
            yield from ((entry.name, path) for path in _visible(entry) or [entry])
        else:
            yield entry.stem, entry


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _embedding(person: str, path: Path, limits: DecodeLimits, embedder: Embedder) -> Embedding:
    # The course's clients split the answer at the colon, and log lines and CSV files at the end of the line.
    if ":" in person or not person.isprintable() or person != person.strip():
        reason = "a name can hold no colon and no control character, and neither begin nor end with a space"
        raise _Unfit(reason)
    if person == UNKNOWN:
        reason = f"{UNKNOWN!r} is the label of people who are not in the gallery"
        raise _Unfit(reason)
    if not path.is_file():
        reason = "is not a picture of a person, nor a folder with nothing but pictures"
        raise _Unfit(reason)
    try:
        pixels = decode_for_faces(path.read_bytes(), limits)
    except ImageError as error:
        raise _Unfit(str(error)) from error
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise _Unfit(reason) from error
    boxes = embedder.detect(pixels)
    if len(boxes) != 1:
        reason = f"shows {len(boxes)} faces; it must show one" if boxes else "no face was found in it"
        raise _Unfit(reason)
    return embedder.embed(pixels, boxes[0])
