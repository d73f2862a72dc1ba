"""Two independent doubles of AWS on loopback, moto's server and ministack; each process starts when first asked for."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

START_SECONDS = 30.0
REGION = "eu-central-1"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "double",
    "AWS_SECRET_ACCESS_KEY": "double",
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What a test puts into the environment: the doubles take any key."""


class Double:
    """One server process; `url` starts it."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its address on loopback."""
        if self._process is None:
            self._start()
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()  # it keeps nothing, and may take seconds to end in order
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self._port = _free_port()
        filled = {name: value.format(port=self._port) for name, value in self._environment.items()}
        self._process = subprocess.Popen(
            [argument.format(port=self._port) for argument in self._arguments],
            env={**os.environ, **filled},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                assert self._process.poll() is None, f"{self._arguments[0]} ended by itself"
                assert time.monotonic() < until, f"{self._arguments[0]} did not start"
                time.sleep(0.02)
            else:
                assert self._process.poll() is None, f"{self._arguments[0]} ended by itself"
                return


class Doubles:
    """Each started by its first use."""

    def __init__(self) -> None:
        programs = Path(sys.executable).parent
        moto = (str(programs / "moto_server"), "-H", "127.0.0.1", "-p", "{port}")
        self.moto = Double(moto, {})
        self.ec2 = Double(moto, {})
        """moto once more, for tests that make it forget everything."""
        self.ministack = Double((str(programs / "ministack"),), {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "{port}"})

    def by_name(self, name: str) -> Double:
        """`moto` or `ministack`."""
        return {"moto": self.moto, "ministack": self.ministack}[name]

    def stop(self) -> None:
        """End them all."""
        for double in (self.moto, self.ec2, self.ministack):
            double.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
