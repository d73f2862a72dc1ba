"""The real thing under measurement: `burstlens up` as a process of its own, in a temporary folder."""

import contextlib
import http.client
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO, Any
from urllib.parse import urlsplit

from machine import children

_READY_LINE = "burstlens is ready on "
_START_SECONDS = 60.0
_STOP_SECONDS = 40.0
_PROBE_SECONDS = 0.005


class MeasurementFailed(Exception):
    """What was to be measured did not work, so there is no figure."""


@dataclass
class Up:
    """A running system."""

    process: subprocess.Popen[str]
    url: str
    ready_seconds: float
    """From the start of the process to the first 200 of /readyz."""
    connection: http.client.HTTPConnection

    @property
    def pid(self) -> int:
        """The process that is web tier and autoscaler."""
        return self.process.pid

    @property
    def workers(self) -> list[int]:
        """The worker processes."""
        return children(self.pid)

    def recognise(self, image: bytes) -> dict[str, Any]:
        """Post one image and wait for its result, on a connection that is kept open.

        Raises:
            MeasurementFailed: the answer is anything but a label.
        """
        status, body = self._ask("POST", "/v1/recognitions", image)
        if status != 200:
            message = f"a request was answered {status}: {body[:200]!r}"
            raise MeasurementFailed(message)
        answer: dict[str, Any] = json.loads(body)
        return answer

    def is_ready(self) -> bool:
        """What /readyz says."""
        try:
            return self._ask("GET", "/readyz", None)[0] == 200
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {} if body is None else {"Content-Type": "application/octet-stream"}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.read()


@contextlib.contextmanager
def running(parent: Path, min_instances: int) -> Iterator[Up]:
    """The system, ready, with so many instances launched at the start; afterwards no process of it is left.

    Its folder stays below `parent` until that is removed: ext4 makes new files slowly for minutes after many were
    deleted, since it passes by every inode that was freed just now. Settings of the environment reach it
    (``BURSTLENS_WEB__INLINE_LIMIT_BYTES=0``), so that they can be compared.

    Raises:
        MeasurementFailed: it did not become ready, or did not end.
    """
    folder = Path(tempfile.mkdtemp(dir=parent))
    environment = {
        "BURSTLENS_LOG_LEVEL": "warning",
        **os.environ,
        "BURSTLENS_SCALING__MIN_INSTANCES": str(min_instances),
    }
    with (folder / "errors.log").open("w") as errors:
        began = perf_counter()
        process = _start(folder, environment, errors)
        try:
            yield _ready(process, began, folder / "errors.log")
        finally:
            _stop(process)


def _start(folder: Path, environment: Mapping[str, str], errors: IO[str]) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "burstlens", "up", "--data", str(folder / "data"), "--port", "0")
    # The temporary folder holds no burstlens.toml, whatever folder the benchmark is started in.
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
    )


def _ready(process: subprocess.Popen[str], began: float, errors: Path) -> Up:
    url = _first_line(process).removeprefix(_READY_LINE).strip()
    if not url.startswith("http"):
        message = f"burstlens up did not start: {errors.read_text()[-500:]}"
        raise MeasurementFailed(message)
    up = Up(process, url, 0.0, http.client.HTTPConnection(urlsplit(url).netloc, timeout=60))
    while not up.is_ready():
        if perf_counter() - began > _START_SECONDS:
            message = "burstlens up did not become ready"
            raise MeasurementFailed(message)
        time.sleep(_PROBE_SECONDS)
    up.ready_seconds = perf_counter() - began
    return up


def _first_line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        return ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline() if selector.select(_START_SECONDS) else ""


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask it to end; what does not end is killed, and then the run is worth nothing."""
    workers = children(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        message = f"burstlens up did not end within {_STOP_SECONDS:g} s"
        raise MeasurementFailed(message) from None
    finally:
        if process.stdout is not None:
            process.stdout.close()
