"""What has to be installed: Debian's packages in the system, OpenStack's in a venv of the lab's own."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lab.openstack.layout import HERE, Lab
from lab.openstack.processes import call
from lab.openstack.services import Compute

BASE = ("rabbitmq-server", "mariadb-server-core", "mariadb-client-core", "iproute2")
REAL = (
    *("qemu-system-x86", "ipxe-qemu", "seabios", "qemu-utils", "genisoimage"),
    *("libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-dev", "pkg-config", "gcc", "libc6-dev"),
    *("mmdebstrap", "extlinux", "e2fsprogs", "fdisk"),
)
_POLICY = Path("/usr/sbin/policy-rc.d")


def install(lab: Lab, compute: Compute) -> None:
    """Install whatever is missing. Idempotent; takes half a minute the first time.

    Raises:
        Unavailable: apt or uv failed; the text is what it said.
    """
    lab.make_folders()
    _debian(lab, BASE if compute is Compute.FAKE else (*BASE, *REAL))
    _python(lab, "requirements.txt")
    if compute is Compute.REAL:
        _python(lab, "requirements-real.txt")


def _debian(lab: Lab, names: tuple[str, ...]) -> None:
    asked = ("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names)
    known = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    missing = [name for name in names if f"{name} installed" not in known.splitlines()]
    if missing:
        options = ("--yes", "--quiet=2", "--no-install-recommends")
        call(lab, "apt", "apt-get", "update", "--quiet=2")
        with _services_left_alone():
            call(lab, "apt", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", *options, *missing)


@contextlib.contextmanager
def _services_left_alone() -> Iterator[None]:
    """Let no package start a service while the block runs, as invoke-rc.d(8) says: the lab starts its own."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _python(lab: Lab, requirements: str) -> None:
    listed = HERE / requirements
    installed = lab.venv / f"{requirements}.installed"
    digest = hashlib.sha256(listed.read_bytes()).hexdigest()
    if installed.exists() and installed.read_text() == digest:
        return
    uv = (sys.executable, "-m", "uv", "--cache-dir", _uv_cache())
    if not (lab.venv / "bin/python").exists():
        call(lab, "uv", *uv, "venv", "--python", sys.executable, str(lab.venv))
    call(lab, "uv", *uv, "pip", "install", "--python", lab.tool("python"), "--require-hashes", "-r", str(listed))
    installed.write_text(digest)


def _uv_cache() -> str:
    """The user's own, although the lab's commands have another $HOME."""
    return os.environ.get("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser()))
