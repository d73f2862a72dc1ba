"""An int8 model is as good as it is said to be, and is not written when it is not."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from PIL import Image

from burstlens.errors import Misconfigured
from burstlens.recognition.agreement import Agreement, agreement, views
from burstlens.recognition.base import Recognition
from burstlens.recognition.classifier import Classifier
from burstlens.recognition.cpu import has_vnni
from burstlens.recognition.crop import Crop
from burstlens.recognition.loading import load_classifier
from burstlens.recognition.manifest import Known
from burstlens.recognition.providers import open_session
from burstlens.recognition.quantisation import Cpus, Quantisation, quantise
from burstlens.recognition.session import Tensor
from burstlens.recognition.sources import find_model
from burstlens.workload.bundled import bundled_photos
from support.colours import colour, written

Photos = list[tuple[bytes, int]]


def pictures() -> list[bytes]:
    return [photo.path.read_bytes() for photo in bundled_photos()]


@pytest.fixture(scope="module")
def quantised(cache: Path) -> Quantisation:
    return quantise(find_model("lite0", cache=cache), pictures()[:8])


class Answers(Classifier):
    """A model that always gives the same probabilities."""

    def __init__(self, reference: Classifier, probabilities: npt.NDArray[np.float32]) -> None:
        self.__dict__.update(reference.__dict__)
        self._probabilities = probabilities

    def infer(self, tensor: Tensor) -> npt.NDArray[np.float32]:
        return self._probabilities


def shown(data: Sequence[bytes]) -> list[npt.NDArray[np.uint8]]:
    return list(views(data, Crop.efficientnet(224)))


def test_the_written_model_is_served_and_names_real_photos(
    quantised: Quantisation, recognizer: Classifier, photos: Photos, tmp_path: Path
) -> None:
    """On photos that neither the calibration nor the reported agreement has seen."""
    file = tmp_path / "lite0-int8.onnx"
    quantised.write(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lite0-int8.onnx", "lite0-int8.toml"]
    served = load_classifier(str(file), cache=tmp_path / "cache")
    assert served.model == "efficientnet-lite0-int8"
    data = [picture for picture, _ in photos]
    outcomes = [outcome for outcome in served.recognise(data) if isinstance(outcome, Recognition)]
    right = [found.top[0].class_index == index for found, (_, index) in zip(outcomes, photos, strict=True)]
    assert sum(right) >= 17
    found = agreement(recognizer, served, shown(data))
    assert found.views == 200
    assert 0.96 <= found.top_1 < 1  # some are close calls: a comparison that calls all of them equal is wrong
    assert found.top_5 >= 0.99
    assert 0 < found.difference < 0.07


def test_the_report_is_of_the_pictures_that_were_not_calibrated_on(quantised: Quantisation) -> None:
    assert (quantised.calibration_pictures, quantised.other_pictures, quantised.agreement.views) == (4, 4, 40)


def test_the_weights_have_seven_bits_and_the_classifier_stays_in_float32(quantised: Quantisation) -> None:
    graph = onnx.load_from_string(quantised.content).graph
    assert graph.name == "efficientnet-lite0"
    weights = [
        onnx.numpy_helper.to_array(constant)
        for constant in graph.initializer
        if constant.data_type == onnx.TensorProto.INT8 and len(constant.dims) == 4
    ]
    assert len(weights) == 49
    assert max(int(np.abs(weight.astype(np.int16)).max()) for weight in weights) == 64
    (gemm,) = (node for node in graph.node if node.op_type == "Gemm")
    assert next(c for c in graph.initializer if c.name == gemm.input[1]).data_type == onnx.TensorProto.FLOAT
    assert len(quantised.content) < quantised.source.stat().st_size / 2


def test_a_model_that_agrees_too_little_is_not_written_unless_told(quantised: Quantisation, tmp_path: Path) -> None:
    file = tmp_path / "poor.onnx"
    for poor in (
        Agreement(views=40, top_1=0.94, top_5=1.0, difference=0.02),
        Agreement(views=40, top_1=0.97, top_5=1.0, difference=0.29),
        Agreement(views=40, top_1=1.0, top_5=1.0, difference=float("nan")),
    ):
        with pytest.raises(Misconfigured, match="is not written: of 40 views"):
            dataclasses.replace(quantised, agreement=poor).write(file)
        assert list(tmp_path.iterdir()) == []
    told = Agreement(views=40, top_1=0.94, top_5=1.0, difference=0.29)
    dataclasses.replace(quantised, agreement=told).write(file, floor=0.9, ceiling=0.3)
    assert file.read_bytes() == quantised.content


def test_calibration_on_pictures_like_no_other_is_refused(cache: Path, tmp_path: Path) -> None:
    """Top-1 on the bundled photos hardly shows it: 0.96."""
    black = io.BytesIO()
    Image.new("RGB", (300, 300)).save(black, "PNG")
    mixed = [picture for photo in pictures()[:4] for picture in (black.getvalue(), photo)]
    ruined = quantise(find_model("lite0", cache=cache), mixed)
    with pytest.raises(Misconfigured, match="is not written"):
        ruined.write(tmp_path / "ruined.onnx")


def test_a_model_that_answers_nothing_agrees_with_none(recognizer: Classifier) -> None:
    some = shown(pictures()[:1])
    same = agreement(recognizer, recognizer, some)
    assert same == Agreement(views=10, top_1=1.0, top_5=1.0, difference=0.0)
    for nothing in (np.full(1000, np.nan, np.float32), np.full(1000, 0.001, np.float32)):
        assert agreement(recognizer, Answers(recognizer, nothing), some).top_1 == 0


def test_a_picture_has_ten_views_or_where_all_of_it_is_taken_two() -> None:
    (photo,) = pictures()[:1]
    ten = list(views([photo], Crop(224, 256)))
    assert len({view.tobytes() for view in ten}) == 10
    assert {view.shape for view in ten} == {(224, 224, 3)}
    for view, mirrored in zip(ten[::2], ten[1::2], strict=True):
        np.testing.assert_array_equal(view[:, ::-1], mirrored)
    assert len(list(views([photo], Crop(224, 256, "squash")))) == len(list(views([photo], Crop(224, 224)))) == 2


def test_what_cannot_be_quantised_is_said(tmp_path: Path, cache: Path) -> None:
    colours = find_model(str(written(tmp_path)))
    with pytest.raises(Misconfigured, match=r"7 pictures are too few .* give at least 8"):
        quantise(colours, [colour("red")] * 7)
    with pytest.raises(Misconfigured, match="has no layers to quantise"):
        quantise(colours, [colour("red")] * 8)
    assert open_session(colours.file).input_dtype == "float32"


def test_a_file_of_another_kind_is_refused(quantised: Quantisation, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"must end in \.onnx"):
        quantised.write(tmp_path / "model.int8")
    with pytest.raises(Misconfigured, match="cannot be written: its folder is missing"):
        quantised.write(tmp_path / "missing" / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "expected"), [("fma avx2 avx512f", False), ("avx2 avx_vnni", True), ("avx512_vnni", True)]
)
def test_vnni_is_read_from_the_cpus_flags(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name\t: some\nflags\t\t: fpu {flags}\n\n")
    assert has_vnni(tmp_path / "cpuinfo") is expected
    assert Cpus("any") is Cpus.ANY


def test_the_manifests_word_for_its_picture_names_no_file_of_ours(quantised: Quantisation, tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text("mine")
    known = Known(picture=".profile", label="macaw")
    manifest = quantised.manifest.model_copy(update={"known": known})
    dataclasses.replace(quantised, manifest=manifest, known_picture=b"picture").write(tmp_path / "small.onnx")
    assert (tmp_path / ".profile").read_text() == "mine"
    assert (tmp_path / "small-known").read_bytes() == b"picture"
    assert 'picture = "small-known"' in (tmp_path / "small.toml").read_text()


def test_the_float32_model_is_never_replaced(quantised: Quantisation, tmp_path: Path) -> None:
    (tmp_path / "same.onnx").symlink_to(quantised.source)
    with pytest.raises(Misconfigured, match="is the float32 model itself"):
        quantised.write(tmp_path / "same.onnx")
    with pytest.raises(Misconfigured, match="its folder is missing"):
        quantised.write(tmp_path / "none" / "small.onnx")


def test_a_model_that_its_manifest_does_not_fit_is_not_quantised(tmp_path: Path) -> None:
    model = find_model(str(written(tmp_path, size=16)))
    with pytest.raises(Misconfigured, match="size 16 mean"):
        quantise(model, pictures())
