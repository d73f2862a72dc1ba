"""One converted model for all tests of this folder, and the ImageNet photos that the package foolbox carries."""

import importlib.metadata
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import IO

import pytest

from burstlens.recognition.classifier import Classifier
from burstlens.recognition.loading import load_classifier


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def recognizer(cache: Path) -> Classifier:
    return load_classifier("lite0", cache=cache)


@pytest.fixture
def models_cut_short(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Servers of `support.file_server` break the connection in the middle of every model, until it is undone."""

    def half(self: SimpleHTTPRequestHandler, source: IO[bytes], outputfile: IO[bytes]) -> None:
        content = source.read()
        if self.path.endswith(".onnx"):
            content = content[: len(content) // 2]
            self.close_connection = True
        outputfile.write(content)

    monkeypatch.setattr(SimpleHTTPRequestHandler, "copyfile", half)
    return monkeypatch


@pytest.fixture(scope="session")
def photos() -> list[tuple[bytes, int]]:
    """Each photo with its class index, which its file name carries (``imagenet_00_243.jpg``)."""
    files = importlib.metadata.files("foolbox") or []
    paths = sorted(Path(str(file.locate())) for file in files if file.match("imagenet_*.jpg"))
    assert len(paths) == 20
    return [(path.read_bytes(), int(path.stem.rpartition("_")[2])) for path in paths]
