"""Models from the hub: its own client, against a small server that answers as the hub does."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from burstlens.recognition.hub import Hub
from support.colours import colour, graph, written
from support.file_server import Served, serving

SHA256 = hashlib.sha256(graph()).hexdigest()

CLASSIFY = """
import sys
from pathlib import Path
from burstlens.errors import BurstlensError
from burstlens.recognition.loading import load_classifier
try:
    classifier = load_classifier(sys.argv[1], cache=Path(sys.argv[2]))
    print(classifier.recognise([sys.stdin.buffer.read()])[0].top[0].label)
except BurstlensError as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "hub").mkdir()
    with serving(tmp_path / "hub") as server:
        yield server


def classified(hub: Served, cache: Path, url: str = "hf://maker/colours/colours.onnx", **more: str) -> str:
    """In a process of its own: the client reads its settings when it is imported."""
    foreign = ("HF_", "HUGGING", "BURSTLENS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    run = subprocess.run(
        [sys.executable, "-c", CLASSIFY, url, str(cache)],
        env=environment | {"HF_ENDPOINT": hub.url, "HF_HOME": str(cache / "home")} | more,
        input=colour("blue"),
        capture_output=True,
        check=True,
        timeout=50,
    )
    assert run.stderr == b""
    return run.stdout.decode().strip()


def test_a_model_of_the_hub_is_fetched_and_kept(hub: Served, tmp_path: Path) -> None:
    written(hub.folder, sha256=SHA256)
    assert classified(hub, tmp_path / "cache") == "blue"
    assert (tmp_path / "cache" / f"colours-{SHA256}.onnx").read_bytes() == graph()
    assert not list((tmp_path / "cache").glob(".hub-*"))
    gets = [request for request in hub.requests if "GET" in request and request.endswith("/colours.onnx")]
    assert len(gets) == 1
    assert all(
        "burstlens" in agent and "telemetry" not in request
        for agent, request in zip(hub.agents, hub.requests, strict=True)
    )

    assert classified(hub, tmp_path / "cache") == "blue"
    assert [request for request in hub.requests if "GET" in request and request.endswith("/colours.onnx")] == gets


def test_a_revision_and_a_folder_can_be_named(hub: Served, tmp_path: Path) -> None:
    written(hub.folder / "onnx", sha256=SHA256)
    assert classified(hub, tmp_path / "cache", "hf://maker/colours@v1.2/onnx/colours.onnx") == "blue"
    assert any("/maker/colours/resolve/v1.2/onnx/colours.onnx" in request for request in hub.requests)


def test_a_worker_starts_from_its_cache_while_the_hub_is_down(hub: Served, tmp_path: Path) -> None:
    written(hub.folder, sha256=SHA256)
    assert classified(hub, tmp_path / "cache") == "blue"
    hub.url = "http://127.0.0.1:9"
    assert classified(hub, tmp_path / "cache") == "blue"


def test_a_file_that_the_hub_does_not_have(hub: Served, tmp_path: Path) -> None:
    answer = classified(hub, tmp_path / "cache")
    assert answer.startswith("Misconfigured: the model needs a manifest, hf://maker/colours@main/colours.toml")
    written(hub.folder, sha256=SHA256).unlink()
    answer = classified(hub, tmp_path / "cache")
    assert answer.startswith("Misconfigured: there is no hf://maker/colours@main/colours.onnx")


def test_what_is_not_in_the_cache_is_unavailable_offline(hub: Served, tmp_path: Path) -> None:
    answer = classified(hub, tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert answer.startswith("Unavailable: hf://maker/colours@main/colours.toml cannot be fetched")


def test_another_content_than_the_manifest_promises(hub: Served, tmp_path: Path) -> None:
    written(hub.folder, sha256="0" * 64)
    assert f"has the sha256 {SHA256}; its manifest says 0000" in classified(hub, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.onnx"))


@pytest.mark.usefixtures("models_cut_short")
def test_a_connection_that_breaks_is_unavailable(hub: Served, tmp_path: Path) -> None:
    written(hub.folder, sha256=SHA256)
    answer = classified(hub, tmp_path / "cache")
    assert answer.startswith("Unavailable: hf://maker/colours@main/colours.onnx cannot be fetched")
    assert "\n" not in answer
    assert not list((tmp_path / "cache").glob("*.onnx"))
    assert not list((tmp_path / "cache").glob(".hub-*"))


def test_a_file_beyond_all_measure_is_not_even_fetched(hub: Served, tmp_path: Path) -> None:
    written(hub.folder, sha256=SHA256)
    (hub.folder / "colours.toml").write_bytes(b"#" * (11 * 2**20))
    answer = classified(hub, tmp_path / "cache")
    assert answer == "Misconfigured: hf://maker/colours@main/colours.toml has more than 10,485,760 bytes"
    assert not [request for request in hub.requests if "GET" in request]


@pytest.mark.parametrize("url", ["hf://maker", "hf://maker/colours", "hf:///colours/x.onnx", "hf://maker/@v1/x.onnx"])
def test_a_url_of_another_form_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="write hf://OWNER/REPO/FILE"):
        Hub.parse(url, tmp_path)
