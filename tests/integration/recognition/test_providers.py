"""The same answers, whatever runs the model; and no other than the one that was asked for."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]  # the package ships no types
import pytest

from burstlens.errors import Misconfigured
from burstlens.recognition.classifier import Classifier
from burstlens.recognition.provider import Provider
from burstlens.recognition.providers import open_session
from burstlens.recognition.session import Session
from burstlens.recognition.sources import find_model
from support.colours import written

Photos = list[tuple[bytes, int]]

LOAD = """
import sys, time
from pathlib import Path
import numpy as np
from burstlens.recognition.provider import Provider
from burstlens.recognition.providers import open_session
session = open_session(Path(sys.argv[1]), Provider(sys.argv[2]))
for _ in range(3):
    session.run(np.zeros((1, 224, 224, 3), np.uint8))
before = time.process_time()
time.sleep(0.5)
print(time.process_time() - before)
"""


@pytest.fixture(scope="module")
def file(cache: Path) -> Path:
    return find_model("lite0", cache=cache).file


@pytest.fixture(scope="module")
def openvino(file: Path) -> Session:
    return open_session(file, Provider.OPENVINO)


def test_openvino_gives_the_same_logits_as_the_cpu_provider(
    recognizer: Classifier, openvino: Session, photos: Photos
) -> None:
    """In float32 on any CPU: bfloat16, OpenVINO's default on some, is off by 0.5."""
    for data, _ in photos:
        tensor = recognizer.decode(data)
        np.testing.assert_allclose(openvino.run(tensor), recognizer.session.run(tensor), atol=2e-3)


def test_openvino_describes_its_model(openvino: Session) -> None:
    assert openvino.provider is Provider.OPENVINO
    assert openvino.input_shape == (1, 224, 224, 3)
    assert openvino.input_dtype == "uint8"


def test_an_output_outlives_the_next_run(recognizer: Classifier, openvino: Session, photos: Photos) -> None:
    first, second = (recognizer.decode(data) for data, _ in photos[:2])
    kept = openvino.run(first)
    copy = kept.copy()
    openvino.run(second)
    np.testing.assert_array_equal(kept, copy)


def test_threads_may_share_openvino(recognizer: Classifier, openvino: Session, photos: Photos) -> None:
    tensors = [recognizer.decode(data) for data, _ in photos[:8]]
    alone = [openvino.run(tensor) for tensor in tensors]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(openvino.run, tensors * 3))
    for found, expected in zip(together, alone * 3, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("provider", [Provider.CPU, Provider.OPENVINO])
def test_an_idle_session_neither_spins_nor_leaves_a_trace(file: Path, tmp_path: Path, provider: Provider) -> None:
    """OpenVINO's telemetry keeps an id in the home folder, and sends an event when it is imported."""
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    run = subprocess.run(
        [sys.executable, "-c", LOAD, str(file), provider],
        env={**environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert float(run.stdout) < 0.1
    assert list(tmp_path.iterdir()) == []


def test_cuda_is_refused_where_there_is_none(file: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built for CUDA")
    with pytest.raises(Misconfigured, match=r"this onnxruntime has no cuda; .* or use cpu") as caught:
        open_session(file, Provider.CUDA)
    assert "\n" not in str(caught.value)


def test_auto_is_the_cpu_where_there_is_no_gpu(file: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built for CUDA")
    assert open_session(file, Provider.AUTO).provider is Provider.CPU


@pytest.mark.parametrize("provider", [Provider.CPU, Provider.OPENVINO])
def test_a_name_that_the_model_lacks_is_said(tmp_path: Path, provider: Provider) -> None:
    file = written(tmp_path)
    with pytest.raises(Misconfigured, match="no input 'picture'; it has: pixels"):
        open_session(file, provider, "picture")
    with pytest.raises(Misconfigured, match="no output 'logits'; it has: scores"):
        open_session(file, provider, "", "logits")


@pytest.mark.parametrize(("provider", "library"), [(Provider.CPU, "onnxruntime"), (Provider.OPENVINO, "OpenVINO")])
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, provider: Provider, library: str) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no model")
    with pytest.raises(Misconfigured, match=f"is no model that {library}") as caught:
        open_session(file, provider)
    assert "\n" not in str(caught.value)
