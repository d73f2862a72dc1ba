"""The wheel that an image gets, and the environment that a builder makes of it: both for real."""

import importlib.resources
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import burstlens
from burstlens import __version__
from burstlens.deploy.aws import baking
from burstlens.deploy.wheel import Wheel, wheel_at
from burstlens.errors import Misconfigured
from support.aws_doubles import CREDENTIALS, REGION, Doubles
from support.image_builder import session_at

SCRIPTS = ("bake.sh", "steps.sh", "install.sh")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """This checkout as it is now, whoever works on it meanwhile; the package believes that it runs from there."""
    root = Path(burstlens.__file__).parents[2]
    copy = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(root / name, copy)
    shutil.copytree(root / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(burstlens, "__file__", str(copy / "src/burstlens/__init__.py"))
        yield copy


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Iterator[Wheel]:
    """Built from them."""
    del sources
    with wheel_at(None) as wheel:
        yield wheel


def test_the_same_sources_build_to_the_same_wheel_and_others_to_another(wheel: Wheel, sources: Path) -> None:
    with wheel_at(None) as again:
        path = again.path
        assert path.is_file()
    (sources / "src/burstlens/another.py").write_text("")
    with wheel_at(None) as another:
        pass
    (sources / "src/burstlens/another.py").unlink()

    assert (again.sha256, again.version) == (wheel.sha256, __version__)
    assert another.sha256 != wheel.sha256
    assert not path.parent.exists()


def test_a_wheel_that_is_given_is_taken_as_it_is_and_stays(wheel: Wheel) -> None:
    with wheel_at(wheel.path) as given:
        assert given == wheel
    assert wheel.path.is_file()


def test_what_is_no_wheel_of_burstlens_is_refused(tmp_path: Path, wheel: Wheel) -> None:
    empty = tmp_path / "burstlens-0.1.0-py3-none-any.whl"
    empty.write_bytes(b"")
    other = tmp_path / "other-0.1.0-py3-none-any.whl"
    shutil.copy(wheel.path, other)

    for path in (empty, other, tmp_path / "burstlens-9-py3-none-any.whl"):
        with pytest.raises(Misconfigured, match="no wheel of burstlens"), wheel_at(path):
            pass


def test_installed_from_a_wheel_there_is_nothing_to_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(burstlens, "__file__", str(tmp_path / "site-packages/burstlens/__init__.py"))

    with pytest.raises(Misconfigured, match="give --wheel"), wheel_at(None):
        pass


def test_sources_that_do_not_build_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nowhere'\n")
    monkeypatch.setattr(burstlens, "__file__", str(tmp_path / "src/burstlens/__init__.py"))

    with pytest.raises(Misconfigured, match="cannot be built"), wheel_at(None):
        pass


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_builders_scripts_are_good_shell(script: str) -> None:
    text = importlib.resources.files(baking).joinpath(script).read_text()
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_the_wheel_brings_what_a_builder_and_an_image_need(wheel: Wheel) -> None:
    files = set(zipfile.ZipFile(wheel.path).namelist())

    assert {f"burstlens/deploy/aws/baking/{name}" for name in (*SCRIPTS, "transfer.py")} < files
    assert "burstlens/deploy/image/units/burstlens-worker.service" in files


@pytest.mark.usefixtures("aws_credentials")
def test_a_builders_installation_runs_the_command_it_was_given(doubles: Doubles, tmp_path: Path, wheel: Wheel) -> None:
    """All but the dependencies, which nobody here should have to fetch: they are those of this environment."""
    s3: Any = session_at(doubles.moto.url).client("s3")
    s3.create_bucket(Bucket="installs", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="installs", Key="w", Body=wheel.path.read_bytes())
    for name in ("install.sh", "transfer.py"):
        (tmp_path / name).write_text(importlib.resources.files(baking).joinpath(name).read_text())
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": doubles.moto.url,
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "REGION": REGION,
        "BUCKET": "installs",
        "ENCRYPTION": "{}",
        "WHEEL_KEY": "w",
        "WHEEL": wheel.name,
        "WHEEL_SHA256": wheel.sha256,
        "EXTRAS": "aws",
        "PREFIX": str(tmp_path / "opt"),
    }

    subprocess.run(["sh", "-eux", "install.sh"], cwd=tmp_path, env=CREDENTIALS | environment, check=True)

    command = [str(tmp_path / "opt/bin/burstlens"), "--version"]
    where = [str(tmp_path / "opt/bin/python"), "-c", "import burstlens; print(burstlens.__file__)"]
    with_dependencies = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": os.environ["PATH"]}
    version, path = (
        subprocess.run(line, cwd=tmp_path, env=with_dependencies, capture_output=True, text=True, check=True).stdout
        for line in (command, where)
    )
    assert version == f"burstlens {__version__}\n"
    assert path.startswith(str(tmp_path / "opt"))
