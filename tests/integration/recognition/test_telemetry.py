import os
import subprocess
import sys
from pathlib import Path


def test_the_runtime_leaves_no_trace_and_calls_nobody(tmp_path: Path) -> None:
    """Its telemetry begins by keeping a session file in the temporary folder."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", "from burstlens.recognition.loading import load_classifier; load_classifier()"],
        env={**environment, "TMPDIR": str(tmp_path)},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []
