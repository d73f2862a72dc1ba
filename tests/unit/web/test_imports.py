"""What a process must not pay for."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("burstlens.web.options", ("fastapi", "starlette", "uvicorn")), ("burstlens.web.server", ("onnxruntime", "onnx"))],
)
def test_importing_does_not_import(module: str, unwanted: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*[name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
