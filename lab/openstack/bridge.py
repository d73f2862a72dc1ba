"""The bridge on which guests of the compute `real` meet this machine."""

import subprocess
from pathlib import Path

from burstlens.errors import Unavailable
from lab.openstack.layout import BRIDGE, BRIDGE_ADDRESS

_DEVICES = Path("/sys/class/net")


def up() -> None:
    """Make it, unless it is there. Raises Unavailable: the kernel does not let us."""
    if not (_DEVICES / BRIDGE).exists():
        _ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
    _ip("address", "replace", f"{BRIDGE_ADDRESS}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def down() -> None:
    """Remove it, with the tap devices that nova left on it."""
    if (_DEVICES / BRIDGE).exists():
        for tap in (_DEVICES / BRIDGE / "brif").iterdir():
            _ip("link", "delete", tap.name)
        _ip("link", "delete", BRIDGE)


def _ip(*words: str) -> None:
    done = subprocess.run(("/usr/sbin/ip", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ip {' '.join(words)}: {done.stderr.strip()}"
        raise Unavailable(message)
