"""Every command in README and docs is run, as it stands there."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from burstlens.settings import load_settings
from burstlens.workload.bundled import bundled_photos
from support.processes import kill, processes_of

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands(page: Path) -> list[str]:
    return [
        line.partition(" #")[0].strip() for text in blocks(page, "sh") for line in text.splitlines() if line.strip()
    ]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_the_commands_work(page: Path, tmp_path: Path) -> None:
    shutil.copy(bundled_photos()[0].path, tmp_path / "cat.jpg")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    port = str(free_port())
    server: subprocess.Popen[str] | None = None
    try:
        for line in commands(page):
            command = line.replace(".venv/bin/", "").replace("8000", port)
            if command.startswith("make "):
                # to run the tests from a test would never end; the demo has a test of its own
                subprocess.run(["make", "-n", *command.split()[1:2]], cwd=ROOT, check=True, capture_output=True)
            elif command.startswith("burstlens up"):
                command = command if "--port" in command else f"{command} --port {port}"
                server = _serve(command, tmp_path, environment)
            else:
                done = subprocess.run(
                    ["sh", "-c", command],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                assert done.stdout, line
                assert '"type":"/problems' not in done.stdout, f"{line}\n{done.stdout}"
    finally:
        if server is not None:
            server.terminate()
            server.communicate(timeout=30)
        left = processes_of(tmp_path / "burstlens-data")
        for pid in left:
            kill(pid)
    assert left == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _serve(command: str, folder: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    server = subprocess.Popen(command.split(), cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline().startswith("burstlens is ready on http://127.0.0.1:")
    return server


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=lambda page: page.stem)
def test_the_settings_are_real(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "toml"):
        assert tomllib.loads(text)
        (tmp_path / "burstlens.toml").write_text(text)
        load_settings(tmp_path / "burstlens.toml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_link_is_broken(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_stays_on_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 70
