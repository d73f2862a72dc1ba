"""Models from a folder and from a bucket."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from burstlens.errors import BurstlensError, Misconfigured, Unavailable
from burstlens.recognition import origins
from burstlens.recognition.base import Recognition
from burstlens.recognition.loading import load_classifier
from burstlens.recognition.sources import find_model
from support.colours import LABELS, colour, graph, written
from support.file_server import Served, serving

SHA256 = hashlib.sha256(graph()).hexdigest()

FETCH = """
import sys
from pathlib import Path
from burstlens.recognition.sources import find_model
print(find_model(sys.argv[1], cache=Path(sys.argv[2])).file)
"""


def label(reference: object, cache: Path, picture: str = "blue") -> str:
    (outcome,) = load_classifier(str(reference), cache=cache).recognise([colour(picture)])
    assert isinstance(outcome, Recognition)
    return outcome.top[0].label


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as server:
        yield server


@pytest.mark.parametrize("picture", LABELS)
def test_a_model_on_disk_recognises_with_the_manifest_beside_it(tmp_path: Path, picture: str) -> None:
    assert label(written(tmp_path), tmp_path / "cache", picture) == picture


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    assert label(written(tmp_path / "a folder").as_uri(), tmp_path / "cache") == "blue"


def test_labels_may_come_from_a_file_beside_the_manifest(tmp_path: Path) -> None:
    file = written(tmp_path, labels="names.txt", known=None)
    (tmp_path / "names.txt").write_text("rouge\nvert\nbleu foncé\n", encoding="utf-8")
    assert label(file, tmp_path / "cache") == "bleu foncé"


def test_a_byte_order_mark_is_no_part_of_manifest_or_labels(tmp_path: Path) -> None:
    file = written(tmp_path, labels="names.txt", known=None)
    (tmp_path / "names.txt").write_text("rot\r\ngrün\r\nblau\r\n", encoding="utf-8-sig")
    manifest = file.with_suffix(".toml")
    manifest.write_text(manifest.read_text(), encoding="utf-8-sig")
    assert find_model(str(file)).labels == ("rot", "grün", "blau")


def test_the_manifest_may_lie_elsewhere(tmp_path: Path) -> None:
    file = written(tmp_path / "one")
    other = written(tmp_path / "two", labels=("rot", "grün", "blau"), known=None).with_suffix(".toml")
    assert find_model(str(file), str(other)).labels == ("rot", "grün", "blau")


def test_a_uint8_input_takes_the_pixels_as_they_are(tmp_path: Path) -> None:
    file = written(tmp_path, graph(dtype=2), dtype="uint8", mean=(0, 0, 0), scale=(1, 1, 1))
    assert label(file, tmp_path / "cache") == "blue"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"sha256": "0" * 64}, f"has the sha256 {SHA256}; its manifest says 000"),
        ({"labels": "../names.txt"}, "only files beside it"),
        ({"labels": ".."}, "only files beside it"),
        ({"known": {"picture": "/green.png", "label": "green"}}, "only files beside it"),
        ({"known": {"picture": "green.png", "label": "violet"}}, "'violet', which is none of the model's labels"),
        ({"labels": "missing.txt"}, "there is no file .*missing.txt"),
        ({"labels": "colours.onnx"}, "is not UTF-8"),
        ({"labels": "empty.txt"}, "one label on each line"),
        ({"known": {"picture": "none.png", "label": "red"}}, "there is no file .*none.png"),
    ],
)
def test_what_does_not_fit_on_disk_is_said(tmp_path: Path, changes: dict[str, Any], wrong: str) -> None:
    (tmp_path / "empty.txt").write_text("red\n\nblue\n")
    file = written(tmp_path, **changes)
    if changes.get("labels") == "colours.onnx":
        file.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(Misconfigured, match=wrong):
        find_model(str(file))


def test_a_missing_model_or_manifest_says_so(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.unlink()
    with pytest.raises(Misconfigured, match=r"there is no file .*colours\.onnx"):
        find_model(str(file))
    file.with_suffix(".toml").unlink()
    with pytest.raises(Misconfigured, match=r'needs a manifest, .*colours\.toml; a short one is: title = "'):
        find_model(str(file))
    with pytest.raises(Misconfigured, match="no model 'resnet50'; the models are: lite0, lite1, lite2, faces, or"):
        find_model("resnet50")
    with pytest.raises(Misconfigured, match="brings its own manifest"):
        find_model("lite0", str(file.with_suffix(".toml")))


def test_a_model_in_a_bucket_is_fetched_once(served: Served, tmp_path: Path) -> None:
    written(served.folder, sha256=SHA256)
    url, cache = f"{served.url}/colours.onnx", tmp_path / "cache"
    assert label(url, cache) == "blue"
    assert label(url, cache) == "blue"
    assert sum("colours.onnx" in request for request in served.requests) == 1
    kept = find_model(url, cache=cache).file
    assert kept.name == f"colours-{SHA256}.onnx"
    kept.write_bytes(b"damaged")
    assert label(url, cache) == "blue"


def test_many_processes_fetch_a_model_once(served: Served, tmp_path: Path) -> None:
    written(served.folder, sha256=SHA256)
    command = [sys.executable, "-c", FETCH, f"{served.url}/colours.onnx", str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    answers = {process.communicate()[0].strip() for process in processes}
    assert answers == {str(tmp_path / "cache" / f"colours-{SHA256}.onnx")}
    assert sum("colours.onnx" in request for request in served.requests) == 1


def test_a_model_from_the_network_needs_a_checksum(served: Served, tmp_path: Path) -> None:
    written(served.folder)
    with pytest.raises(Misconfigured, match=f'if you trust what is there now, add: sha256 = "{SHA256}"'):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path)


def test_another_content_than_promised_is_not_kept(served: Served, tmp_path: Path) -> None:
    written(served.folder, sha256="0" * 64)
    with pytest.raises(Misconfigured, match=f"has the sha256 {SHA256}; its manifest says 0000"):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.onnx"))
    assert not list((tmp_path / "cache").glob(".*.tmp"))


def test_a_bucket_without_the_file_or_without_a_server_says_so(served: Served, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"needs a manifest, http://127.0.0.1:\d+/colours.toml"):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path)
    written(served.folder, sha256=SHA256).unlink()
    with pytest.raises(Misconfigured, match=r"there is no http://127.0.0.1:\d+/colours.onnx"):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path)
    with pytest.raises(BurstlensError, match="ftp"):
        find_model("ftp://127.0.0.1/colours.onnx", cache=tmp_path)


def test_a_companion_beyond_all_measure_is_refused(served: Served, tmp_path: Path) -> None:
    written(served.folder, sha256=SHA256)
    (served.folder / "colours.toml").write_bytes(b"#" * (11 * 2**20))
    with pytest.raises(Misconfigured, match=r"colours.toml has more than 10,485,760 bytes"):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path)


@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_a_model_beyond_all_measure_is_not_kept(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sha256: str
) -> None:
    written(served.folder, sha256=sha256)
    monkeypatch.setattr(origins, "MAX_MODEL_BYTES", 100)
    with pytest.raises(Misconfigured, match=r"colours.onnx has more than 100 bytes"):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.onnx"))
    assert not list((tmp_path / "cache").glob(".*.tmp"))


def test_a_model_that_ends_too_early_is_not_kept(
    served: Served, tmp_path: Path, models_cut_short: pytest.MonkeyPatch
) -> None:
    written(served.folder, sha256=SHA256)
    with pytest.raises(Unavailable, match=r"colours.onnx cannot be fetched"):
        find_model(f"{served.url}/colours.onnx", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.onnx"))
    assert not list((tmp_path / "cache").glob(".*.tmp"))
    models_cut_short.undo()
    assert label(f"{served.url}/colours.onnx", tmp_path / "cache") == "blue"
