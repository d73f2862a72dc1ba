"""The bridge on which guests of the compute `real` meet this machine."""

import subprocess
from pathlib import Path

from burstlens.errors import Unavailable
from lab.openstack.layout import BRIDGE, BRIDGE_ADDRESS, Lab

_DEVICES = Path("/sys/class/net")
_ADDRESS = "02:1a:b0:00:00:01"
"""Of Ethernet; the 2 says that it is administered locally."""


def up(lab: Lab) -> None:
    """Make it, unless it is there. Raises Unavailable: the kernel does not let us."""
    _mark(lab).touch()
    if not (_DEVICES / BRIDGE).exists():
        # An address of its own: it would otherwise change with the guests that come and go, behind the others' backs.
        _ip("link", "add", BRIDGE, "address", _ADDRESS, "type", "bridge", "forward_delay", "0")
    _ip("address", "replace", f"{BRIDGE_ADDRESS}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def down(lab: Lab) -> None:
    """Remove it, with the tap devices that nova left on it, if it is this lab's."""
    if _mark(lab).exists() and (_DEVICES / BRIDGE).exists():
        for tap in (_DEVICES / BRIDGE / "brif").iterdir():
            _ip("link", "delete", tap.name)
        _ip("link", "delete", BRIDGE)
    _mark(lab).unlink(missing_ok=True)


def _mark(lab: Lab) -> Path:
    """Says that the lab has made it: there can be other labs on the machine, though only one that runs."""
    return lab.run / "bridge"


def _ip(*words: str) -> None:
    done = subprocess.run(("/usr/sbin/ip", *words), capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ip {' '.join(words)}: {done.stderr.strip()}"
        raise Unavailable(message)
