"""A folder of real pictures becomes an index, or the operator is told of everything that is wrong with it."""

import io
from pathlib import Path

import pytest
from PIL import Image

from burstlens.errors import Misconfigured
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.faces.embedding import Embedder
from burstlens.recognition.faces.gallery import read_gallery
from burstlens.workload.bundled import bundled_photos
from support.face_pictures import face_picture

LIMITS = DecodeLimits(20 * 2**20)


def put(folder: Path, **pictures: bytes) -> None:
    """Write each picture to its path: ``a__1`` is ``a/1.jpg``."""
    for name, content in pictures.items():
        path = folder / (name.replace("__", "/") + ".jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def two_faces() -> bytes:
    both = Image.new("RGB", (1024, 600))
    for left in (0, 512):
        both.paste(Image.open(io.BytesIO(face_picture("hopper.jpg"))), (left, 0))
    out = io.BytesIO()
    both.save(out, "PNG")
    return out.getvalue()


def test_files_and_folders_name_the_people_and_hidden_files_nobody(tmp_path: Path, embedder: Embedder) -> None:
    put(
        tmp_path,
        Grace_Hopper=face_picture("hopper.jpg"),
        Obama__1=face_picture("obama.jpg"),
        Obama__2=face_picture("obama2.jpg"),
    )
    (tmp_path / ".DS_Store").write_bytes(b"nothing")
    (tmp_path / "Obama" / ".hidden").mkdir()

    index = read_gallery(tmp_path, LIMITS, embedder)

    assert index.people == ("Grace_Hopper", "Obama")
    assert index.pictures == (1, 2)
    assert index.embeddings.shape == (3, 128)


def test_the_same_gallery_gives_the_same_bytes_in_whatever_order_its_files_lie(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, b=face_picture("hopper.jpg"), a__2=face_picture("obama2.jpg"), a__1=face_picture("obama.jpg"))
    as_they_lie = Path.iterdir
    one = read_gallery(tmp_path, LIMITS, embedder).to_bytes()
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(list(as_they_lie(folder))))

    assert read_gallery(tmp_path, LIMITS, embedder).to_bytes() == one


def test_everything_that_cannot_be_used_is_named_at_once(tmp_path: Path, embedder: Embedder) -> None:
    castle = next(photo.path.read_bytes() for photo in bundled_photos() if photo.path.name == "castle.jpg")
    hopper = face_picture("hopper.jpg")
    put(tmp_path, castle=castle, twins=two_faces(), good=hopper, unknown=hopper, cut=hopper[:5000], text__note=b"hello")
    put(tmp_path, text__more__deep=hopper)
    (tmp_path / "a:b.jpg").write_bytes(hopper)
    (tmp_path / "line\nbreak.jpg").write_bytes(hopper)
    (tmp_path / "nobody").mkdir()
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")

    with pytest.raises(Misconfigured) as caught:
        read_gallery(tmp_path, LIMITS, embedder)

    text = str(caught.value).replace("line\nbreak", "line?break")
    head, *lines = text.splitlines()
    assert str(tmp_path) in head
    reasons = dict(line.strip().split(": ", 1) for line in lines)
    unusable = "is not a picture of a person, nor a folder with nothing but pictures"
    bad_name = "a name can hold no colon and no control character, and neither begin nor end with a space"
    assert reasons == {
        "a:b.jpg": bad_name,
        "castle.jpg": "no face was found in it",
        "cut.jpg": "the JPEG is damaged or incomplete and cannot be decoded",
        "line?break.jpg": bad_name,
        "lost.jpg": unusable,
        "nobody": unusable,
        "text/more": unusable,
        "text/note.jpg": "the file is not a picture",
        "twins.jpg": "shows 2 faces; it must show one",
        "unknown.jpg": "'unknown' is the label of people who are not in the gallery",
    }


def test_an_empty_gallery_is_refused(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / ".hidden.jpg").write_bytes(face_picture("hopper.jpg"))
    with pytest.raises(Misconfigured, match="is empty; put NAME"):
        read_gallery(tmp_path, LIMITS, embedder)


def test_a_gallery_that_is_no_folder_is_refused(tmp_path: Path, embedder: Embedder) -> None:
    with pytest.raises(Misconfigured, match="cannot be read: No such file or directory"):
        read_gallery(tmp_path / "missing", LIMITS, embedder)
