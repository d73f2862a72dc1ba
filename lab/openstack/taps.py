"""Puts the tap devices that nova makes on the bridge: what a layer-2 agent would do. ``taps.py BRIDGE``."""

import subprocess
import sys
import time
from pathlib import Path

_LENGTH = len("tap") + 11
"""Nova names a tap after the first 11 characters of its port's id."""

while True:
    for device in Path("/sys/class/net").glob("tap*"):
        if len(device.name) == _LENGTH and not (device / "master").exists():
            # It may be gone by now, which is no error of ours.
            subprocess.run(("ip", "link", "set", device.name, "master", sys.argv[1], "up"), check=False)  # noqa: S607
    time.sleep(0.3)
