"""Detection and embeddings of real faces, and what happens where the packages are not as they should be."""

import io
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from burstlens.errors import Misconfigured
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.faces import embedding
from burstlens.recognition.faces.embedding import SAME_PERSON, Embedder, Embedding, decode_for_faces
from burstlens.recognition.weights import UntrustedWeights
from burstlens.workload.bundled import bundled_photos
from support.face_pictures import face_picture

LIMITS = DecodeLimits(20 * 2**20)
OBAMAS = ["obama.jpg", "obama2.jpg", "obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg", "32bit.png"]
PEOPLE = {"obama": OBAMAS, "biden": ["biden.jpg"], "hopper": ["hopper.jpg"]}
EVERYBODY = [(person, name) for person, names in PEOPLE.items() for name in names]


def embedded(embedder: Embedder, picture: bytes) -> Embedding:
    pixels = decode_for_faces(picture, LIMITS)
    (box,) = embedder.detect(pixels)
    return embedder.embed(pixels, box)


def scaled(picture: bytes, longest: int) -> bytes:
    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail((longest, longest))
        out = io.BytesIO()
        image.convert("RGB").save(out, "PNG")
        return out.getvalue()


def test_two_faces_are_near_exactly_if_they_are_one_persons(embedder: Embedder) -> None:
    faces = [(person, embedded(embedder, face_picture(name))) for person, name in EVERYBODY]
    for (one, this), (other, that) in itertools.combinations(faces, 2):
        distance = float(np.linalg.norm(this - that))
        assert distance < 0.5 if one == other else distance > 0.75


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "hopper.jpg"])
@pytest.mark.parametrize("longest", [320, 640])
def test_the_one_face_is_found_and_stays_the_same_in_a_small_copy(embedder: Embedder, name: str, longest: int) -> None:
    full = embedded(embedder, face_picture(name))
    small = embedded(embedder, scaled(face_picture(name), longest))
    assert full.shape == (128,)
    assert full.dtype == np.float32
    assert float(np.linalg.norm(full - small)) < SAME_PERSON / 2


def test_no_face_is_seen_where_there_is_none(embedder: Embedder) -> None:
    pictures = [decode_for_faces(photo.path.read_bytes(), LIMITS) for photo in bundled_photos()]
    assert [embedder.detect(pixels) for pixels in pictures] == [[]] * len(pictures)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1024, 3), (1024, 2, 3), (79, 79, 3)])
def test_pictures_too_small_or_too_thin_for_a_face_have_none(embedder: Embedder, shape: tuple[int, int, int]) -> None:
    assert embedder.detect(np.zeros(shape, np.uint8)) == []


def test_faces_come_largest_first(embedder: Embedder) -> None:
    hopper, biden = (Image.fromarray(decode_for_faces(face_picture(n), LIMITS)) for n in ("hopper.jpg", "biden.jpg"))
    both = Image.new("RGB", (1024, 1024), "white")
    both.paste(biden.resize((220, 500)), (0, 0))
    both.paste(hopper, (400, 300))
    boxes = embedder.detect(np.asarray(both))
    assert len(boxes) == 2
    assert boxes[0].area > boxes[1].area
    assert boxes[0].left > 400 > boxes[1].right


def test_without_the_model_package_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [path for path in sys.path if not Path(path, "face_recognition_models").exists()]
    monkeypatch.setattr(sys, "path", kept)
    with pytest.raises(Misconfigured, match=r"pip install 'burstlens\[faces\]'"):
        Embedder()


def test_without_dlib_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(Misconfigured, match=r"pip install 'burstlens\[faces\]'"):
        Embedder()


def test_a_changed_model_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "face_recognition_models" / "models"
    models.mkdir(parents=True)
    (tmp_path / "face_recognition_models" / "__init__.py").write_text("raise AssertionError('it was imported')")
    for name in embedding.SHA256:
        (models / name).write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UntrustedWeights, match="has the sha256"):
        Embedder()
