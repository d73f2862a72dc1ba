"""Never two autoscalers at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from burstlens.scaling.lock import AutoscalerLock

HOLDER = """
import signal, sys
from pathlib import Path
from burstlens.scaling.lock import AutoscalerLock

with AutoscalerLock(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_r2_a_second_autoscaler_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "data" / "autoscaler.lock"
    with (
        AutoscalerLock(path),
        pytest.raises(Misconfigured, match=rf"another autoscaler .* process {os.getpid()} holds .*autoscaler\.lock"),
        AutoscalerLock(path),
    ):
        pytest.fail("two at once")
    with AutoscalerLock(path):
        assert path.read_text().strip() == str(os.getpid())


def test_r20_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "autoscaler.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Misconfigured, match=f"process {holder.pid} holds"), AutoscalerLock(path):
            pytest.fail("two at once")
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    with AutoscalerLock(path):
        pass


def test_instances_do_not_inherit_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "autoscaler.lock"
    with AutoscalerLock(path):
        child = subprocess.Popen(["sleep", "600"], close_fds=False)
    try:
        with AutoscalerLock(path):
            pass
    finally:
        child.kill()
        child.wait()
