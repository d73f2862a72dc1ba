"""The units as systemd itself reads them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from burstlens.deploy.image import unit_files

PROGRAM = "/opt/burstlens/bin/burstlens"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in unit_files()]
    for path in paths:
        path.write_text(unit_files()[path.name].replace(PROGRAM, sys.executable))

    check = ["systemd-analyze", "verify", "--man=no", *map(str, paths)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
