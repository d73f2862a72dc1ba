"""The wheel that an image gets: a file, or what this source checkout builds to."""

import contextlib
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import burstlens
from burstlens.errors import Misconfigured

_NAME = re.compile(r"burstlens-(?P<version>[A-Za-z0-9.+!_]+)-py3-none-any\.whl")
_BUILD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of burstlens."""

    path: Path
    version: str
    sha256: str
    """Hex. A checkout builds to the same bytes each time, so the same sources have the same digest."""

    @property
    def name(self) -> str:
        """Its file name, which pip reads the version from."""
        return self.path.name


@contextlib.contextmanager
def wheel_at(path: Path | None) -> Iterator[Wheel]:
    """The wheel at this path, or, for None, one built from the checkout that this runs from, gone after the block.

    Raises:
        Misconfigured: it is no wheel of burstlens, there is no checkout, or it does not build.
    """
    if path is not None:
        yield _read(path)
        return
    with tempfile.TemporaryDirectory(prefix="burstlens-wheel-") as folder:
        yield _read(_build(_checkout(), Path(folder)))


def _read(path: Path) -> Wheel:
    name = _NAME.fullmatch(path.name)
    if name is None or not path.is_file() or not zipfile.is_zipfile(path):
        message = f"{path}: no wheel of burstlens; give --wheel a file such as burstlens-0.1.0-py3-none-any.whl"
        raise Misconfigured(message)
    return Wheel(path, name["version"], hashlib.sha256(path.read_bytes()).hexdigest())


def _checkout() -> Path:
    """The folder of the sources that this process runs."""
    package = Path(burstlens.__file__).parent
    root = package.parent.parent
    if package.parent.name != "src" or not (root / "pyproject.toml").is_file():
        message = "burstlens runs from an installed wheel, so there are no sources to build one from: give --wheel PATH"
        raise Misconfigured(message)
    return root


def _build(root: Path, folder: Path) -> Path:
    # The build back end that the checkout's own environment holds is pinned; without it pip has to fetch one.
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation, "--wheel-dir", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and paths
            [*command, str(root)],
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"the wheel was not built within {_BUILD_SECONDS:.0f} s: build it yourself and give --wheel PATH"
        raise Misconfigured(message) from None
    built = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not built:
        why = (done.stderr or done.stdout).strip().splitlines() or ["pip says nothing"]
        message = f"the wheel cannot be built ({why[-1]}): build it yourself and give --wheel PATH"
        raise Misconfigured(message)
    return built[0]
