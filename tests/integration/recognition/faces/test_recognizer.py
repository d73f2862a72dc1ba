"""Real faces get the name under which another picture of them is known."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from burstlens.messages import ErrorCode, Score
from burstlens.recognition.base import ImageError, Recognition, Recognizer
from burstlens.recognition.decode import DecodeLimits
from burstlens.recognition.faces.embedding import Embedder, Embedding, decode_for_faces
from burstlens.recognition.faces.index import FaceIndex
from burstlens.recognition.faces.recognizer import FaceRecognizer, open_face_recognizer
from burstlens.workload.bundled import bundled_photos
from support.face_pictures import face_picture

LIMITS = DecodeLimits(20 * 2**20)
OTHER_OBAMAS = ["obama2.jpg", "obama3.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg", "32bit.png"]


def embedded(embedder: Embedder, name: str) -> Embedding:
    pixels = decode_for_faces(face_picture(name), LIMITS)
    (box,) = embedder.detect(pixels)
    return embedder.embed(pixels, box)


@pytest.fixture(scope="session")
def index(embedder: Embedder) -> FaceIndex:
    gallery = {"Grace_Hopper": [embedded(embedder, "hopper.jpg")], "Obama": [embedded(embedder, "obama.jpg")]}
    return FaceIndex.of(gallery)


@pytest.fixture(scope="session")
def recognizer(index: FaceIndex, embedder: Embedder) -> Recognizer:
    return FaceRecognizer(index, LIMITS, embedder)


def candidates(outcome: Recognition | ImageError) -> tuple[Score, ...]:
    assert isinstance(outcome, Recognition)
    return outcome.top


def label(outcome: Recognition | ImageError) -> str:
    return candidates(outcome)[0].label


@pytest.mark.parametrize("name", OTHER_OBAMAS)
def test_another_picture_of_a_known_person_gets_their_name(recognizer: Recognizer, name: str) -> None:
    (outcome,) = recognizer.recognise([face_picture(name)])
    assert isinstance(outcome, Recognition)
    best, *others = outcome.top
    assert (best.label, best.class_index) == ("Obama", 1)
    assert best.score > 0.9
    assert [score.label for score in others] == ["unknown", "Grace_Hopper"]
    assert outcome.decode_seconds > 0
    assert outcome.infer_seconds > 0


def test_somebody_who_is_not_in_the_gallery_is_unknown(recognizer: Recognizer) -> None:
    (outcome,) = recognizer.recognise([face_picture("biden.jpg")])
    best, *others = candidates(outcome)
    assert (best.label, best.class_index) == ("unknown", None)
    assert best.score > 0.9
    assert [score.label for score in others] == ["Grace_Hopper", "Obama"]


def test_a_picture_without_a_face_is_unknown_alone_and_for_certain(recognizer: Recognizer) -> None:
    (outcome,) = recognizer.recognise([bundled_photos()[0].path.read_bytes()])
    assert candidates(outcome) == (Score(label="unknown", score=1.0),)


def test_no_more_candidates_come_than_were_asked_for(recognizer: Recognizer) -> None:
    (outcome,) = recognizer.recognise([face_picture("obama2.jpg")], top_k=1)
    assert [score.label for score in candidates(outcome)] == ["Obama"]


def test_of_several_faces_the_largest_decides(recognizer: Recognizer) -> None:
    for small, large, expected in [
        ("hopper.jpg", "obama2.jpg", "Obama"),
        ("obama2.jpg", "hopper.jpg", "Grace_Hopper"),
    ]:
        both = Image.new("RGB", (1000, 1000))
        for name, width, left in [(small, 380, 0), (large, 620, 380)]:
            with Image.open(io.BytesIO(face_picture(name))) as image:
                both.paste(image.resize((width, width * image.height // image.width)), (left, 0))
        out = io.BytesIO()
        both.save(out, "JPEG")
        (outcome,) = recognizer.recognise([out.getvalue()])
        assert label(outcome) == expected


def test_a_picture_that_the_camera_stored_on_its_side_is_recognised(recognizer: Recognizer) -> None:
    with Image.open(io.BytesIO(face_picture("obama2.jpg"))) as image:
        exif = Image.Exif()
        exif[0x0112] = 6
        out = io.BytesIO()
        image.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", exif=exif)
    (outcome,) = recognizer.recognise([out.getvalue()])
    assert label(outcome) == "Obama"


def test_bad_pictures_are_outcomes_among_good_ones(recognizer: Recognizer) -> None:
    good = face_picture("obama2.jpg")
    outcomes = recognizer.recognise([b"no picture", good, good[:5000], bytes(21 * 2**20)])
    assert label(outcomes.pop(1)) == "Obama"
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, ImageError)]
    assert codes == [ErrorCode.NOT_AN_IMAGE, ErrorCode.NOT_AN_IMAGE, ErrorCode.IMAGE_TOO_LARGE]


def test_many_threads_get_what_one_gets(recognizer: Recognizer) -> None:
    pictures = [face_picture(name) for name in (*OTHER_OBAMAS, "biden.jpg", "hopper.jpg")]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda picture: recognizer.recognise([picture])[0], pictures))
    assert [candidates(outcome) for outcome in together] == [
        candidates(outcome) for outcome in recognizer.recognise(pictures)
    ]


def test_a_stored_index_is_opened_with_the_same_answers(index: FaceIndex, recognizer: Recognizer) -> None:
    opened = open_face_recognizer(index.to_bytes(), LIMITS)
    picture = face_picture("obama3.jpg")
    (outcome,), (expected,) = opened.recognise([picture]), recognizer.recognise([picture])
    assert candidates(outcome) == candidates(expected)
    assert opened.model == "faces"
