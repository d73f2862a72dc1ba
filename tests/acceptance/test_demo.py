"""`burstlens demo`, as a newcomer runs it: on real images, with real processes, and with things going wrong."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import eventually, kill, processes_of, workers_of

pytestmark = pytest.mark.timeout(180)


class Demo:
    """The command in a process of its own, with a temporary folder that holds nothing else."""

    def __init__(self, folder: Path, requests: int) -> None:
        self.data = folder / "data"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "burstlens", "demo", f"--requests={requests}", "--folder", str(self.data)],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(self.temporary), "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        out, error = self.process.communicate(timeout=120)
        return self.process.returncode, out, error

    def left(self) -> list[int]:
        return processes_of(self.data)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.communicate()
        for pid in demo.left():
            kill(pid)


def test_a_hundred_real_images_from_zero_instances_to_zero(tmp_path: Path, start: list[Demo]) -> None:
    start.append(demo := Demo(tmp_path, 100))
    code, out, error = demo.end()
    assert (code, error) == (0, ""), out
    assert "100 of 100 in" in out
    assert "right labels  100 of 100" in out
    assert "queue depth" in out
    assert "app-tier-1 × " in out
    assert demo.left() == []
    assert list(demo.temporary.iterdir()) == []


def test_r9_killing_a_worker_loses_nothing(tmp_path: Path, start: list[Demo]) -> None:
    start.append(demo := Demo(tmp_path, 100))
    outputs = demo.data / "buckets" / "outputs"
    eventually(lambda: outputs.is_dir() and len(list(outputs.iterdir())) > 10, "the first results")
    kill(workers_of(demo.data)[0])
    code, out, _ = demo.end()
    assert code == 0, out
    assert "right labels  100 of 100" in out
    assert demo.left() == []


@pytest.mark.parametrize("moment_seconds", [0.2, 0.6, 1.2, 2.0])
def test_an_interrupt_at_any_moment_leaves_nothing(tmp_path: Path, start: list[Demo], moment_seconds: float) -> None:
    start.append(demo := Demo(tmp_path, 500))
    time.sleep(moment_seconds)
    demo.process.send_signal(signal.SIGINT)
    code, out, error = demo.end()
    assert code in {130, -signal.SIGINT}, (out, error)  # the latter while Python itself still starts
    assert "Traceback" not in error or code == -signal.SIGINT
    assert demo.left() == []
    assert list(demo.temporary.iterdir()) == []


def test_the_temporary_folder_is_removed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "burstlens", "demo", "--requests", "5"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "5 of 5" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_it_keeps_to_its_folder_whatever_settings_are_here(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    here, temporary = tmp_path / "here", tmp_path / "tmp"
    for folder in (here, temporary):
        folder.mkdir()
    (here / "burstlens.toml").write_text(
        f'[buckets]\noutputs = "{outside.as_uri()}"\n[queue]\nurl = "sqlite:{outside}"\n'
    )
    environment = {"TMPDIR": str(temporary), "BURSTLENS_BUCKETS__INPUTS": outside.as_uri()}
    done = subprocess.run(
        [sys.executable, "-m", "burstlens", "demo", "--requests", "3"],
        cwd=here,
        env={**os.environ, **environment, "BURSTLENS_WEB__HOST": "192.0.2.1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not outside.exists()
    assert list(temporary.iterdir()) == []
