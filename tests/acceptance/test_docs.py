"""Every command in README and docs is run, as it stands there."""

import json
import re
import shutil
import signal
import socket
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from burstlens import __version__
from burstlens.recognition.manifest import read_manifest
from burstlens.settings import load_settings
from burstlens.workload.bundled import bundled_photos
from support.aws_doubles import CREDENTIALS
from support.commands import Home, Running
from support.face_pictures import face_picture
from support.image_builder import BuilderHost, double_with_debian, says_done, session_at
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import Project

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands(page: Path) -> list[str]:
    return [
        line.partition(" #")[0].strip() for text in blocks(page, "sh") for line in text.splitlines() if line.strip()
    ]


def outputs(page: Path) -> dict[str, str]:
    """By the last command of a block, what the page says that it prints: the block of text right after it."""
    shown = {}
    for (kind, text), (next_kind, output) in pairwise(BLOCK.findall(page.read_text())):
        if (kind, next_kind) == ("sh", "text"):
            shown[text.splitlines()[-1]] = output
    return shown


BAKE = "burstlens image bake --cloud openstack"
"""Takes minutes, and more than this test's machine need have: tests/openstack/test_baked_image.py runs it."""
COLUMNS = 96
"""Of the terminal in which the outputs that the pages show were made."""
ON_THE_LAB = {"m1.small": "lab.tiny"}
"""Flavors have other names there."""


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clouds for a page that is about one: a double of AWS, where image builders do as they are told, and a lab."""
    page = request.node.callspec.params["page"].stem
    if page == "openstack":
        project: Project = request.getfixturevalue("openstack_project")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(project.clouds))
        monkeypatch.setenv("OS_CLOUD", project.cloud)
        with project.connect() as connection:
            connection.create_image(
                f"burstlens-{__version__}", data=bytes(1024), disk_format="raw", container_format="bare", wait=True
            )
    if page not in {"aws", "openstack"}:
        yield
        return
    double = double_with_debian(tmp_path)
    try:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": double.url}.items():
            monkeypatch.setenv(name, value)
        session = session_at(double.url)
        with BuilderHost(session.client("ec2"), "burstlens", says_done(session.client("s3"), __version__)):
            yield
    finally:
        double.stop()


@pytest.mark.anyio
@SDK_WARNINGS
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
async def test_the_commands_work(page: Path, home: Home, cloud: None) -> None:
    shutil.copy(bundled_photos()[0].path, home.folder / "cat.jpg")
    (home.folder / "people").mkdir()
    (home.folder / "people" / "Grace_Hopper.jpg").write_bytes(face_picture("hopper.jpg"))
    port = str(free_port())
    server: Running | None = None
    shown = outputs(page)
    for line in commands(page):
        command = line.replace(".venv/bin/", "").replace("8000", port)
        for name, own in ON_THE_LAB.items():
            command = command.replace(name, own)
        if command == BAKE:
            continue
        if command.startswith("make "):
            # to run the tests from a test would never end; the demo has a test of its own
            assert (await home.shell(f"make -n -C '{ROOT}' {command.split()[1]}")).code == 0, line
        elif command.startswith("burstlens up"):
            server = await home.start(*command.split()[1:], "--port", port)
            assert (await server.url()).endswith(f":{port}")
        else:
            done = await home.shell(f"COLUMNS={COLUMNS} {command}" if line in shown else command)
            assert done.code == 0, f"{line}\n{done.out}\n{done.err}"
            assert done.out, line
            assert '"type":"/problems' not in done.out, f"{line}\n{done.out}"
            if line in shown:
                assert trimmed(shown[line]) == trimmed(done.out), f"the page shows another output of: {line}"
    if server is not None:
        assert (await server.end(signal.SIGTERM)).code == 0
    await home.no_process_is_left()


@pytest.mark.anyio
async def test_a_policy_of_ones_own_is_as_simple_as_the_page_says(home: Home) -> None:
    text = blocks(ROOT / "docs" / "scaling-decisions.md", "python")[0]
    (home.folder / "my_fleet.py").write_text(text)

    done = await home.shell(
        "PYTHONPATH=. burstlens simulate --arrivals burst:100 --policy my_fleet:Latency"
        " --deadline 10 --no-oracle --json"
    )

    assert done.code == 0, done.err
    (found,) = json.loads(done.out)["policies"]
    assert (found["policy"], found["peak"]) == ("my_fleet:Latency", 5), "100 requests of 0.5 s within 10 s"


def trimmed(output: str) -> list[str]:
    """Its lines without the blanks that a table is filled up with."""
    return [line.rstrip() for line in output.rstrip().splitlines()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=lambda page: page.stem)
def test_the_settings_and_manifests_are_real(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "toml"):
        assert tomllib.loads(text)
        if text.startswith("title"):
            read_manifest(text, page.name)
            continue
        (tmp_path / "burstlens.toml").write_text(text)
        load_settings(tmp_path / "burstlens.toml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_link_is_broken(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_stays_on_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 70
