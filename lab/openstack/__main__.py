"""OpenStack on one machine. ``make lab-openstack``; ``python -m lab.openstack --help``."""

import argparse
import contextlib
import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from burstlens.errors import BurstlensError, Misconfigured
from lab.openstack import lifecycle
from lab.openstack.guest import image
from lab.openstack.layout import Lab
from lab.openstack.packages import install
from lab.openstack.services import Compute

FOLDER = Path(__file__).parents[2] / ".lab/openstack"


def main() -> None:
    """Run one command; the exit code is 1 if it failed, or if `status` finds something that is not up."""
    given = _parser().parse_args()
    try:
        check_machine(os.geteuid(), _system())
        given.run(Lab(given.folder.absolute()), given)
    except BurstlensError as error:
        sys.exit(f"lab: {error}")


def check_machine(user: int, system: dict[str, str]) -> None:
    """Raises Misconfigured: it takes root, for services and bridges, and Debian, whose packages are installed."""
    if user != 0 or system.get("ID") != "debian":
        message = f"OpenStack's lab needs root on Debian; this is user {user} on {system.get('PRETTY_NAME', 'another')}"
        raise Misconfigured(message)


def _system() -> dict[str, str]:
    """What os-release(5) says; other systems than Linux have none."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {"PRETTY_NAME": platform.system()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.openstack", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="holds all of the lab (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("install", _install, "install what it needs"),
        ("start", _start, "install, and start what does not run yet"),
        ("image", _image, "make the image that real guests boot, of a running lab"),
        ("stop", _stop, "end all of its processes; what is in the cloud is kept"),
        ("status", _status, "show what runs"),
        ("destroy", _destroy, "stop, and remove the folder"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if run in {_install, _start}:
            choices = [str(compute) for compute in Compute]
            command.add_argument("--compute", choices=choices, default="fake", help="what runs servers (%(default)s)")
        if run is _status:
            command.add_argument("--json", action="store_true", help="as a list of objects")
    return parser


def _install(lab: Lab, given: argparse.Namespace) -> None:
    with _alone(lab):
        install(lab, Compute(given.compute))


def _start(lab: Lab, given: argparse.Namespace) -> None:
    begun = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {text}", flush=True)

    with _alone(lab):
        install(lab, Compute(given.compute))
        tell("installed")
        lifecycle.start(lab, Compute(given.compute), tell)
    print(f"OpenStack is on loopback:\n  export OS_CLIENT_CONFIG_FILE={lab.clouds} OS_CLOUD=lab")


def _image(lab: Lab, _: argparse.Namespace) -> None:
    with _alone(lab):
        install(lab, Compute.REAL)
        image(lab)


def _stop(lab: Lab, _: argparse.Namespace) -> None:
    with _alone(lab):
        lifecycle.stop(lab)


def _destroy(lab: Lab, _: argparse.Namespace) -> None:
    with _alone(lab) as lock:
        lifecycle.destroy(lab)
        lock.unlink()


def _status(lab: Lab, given: argparse.Namespace) -> None:
    states = lifecycle.status(lab)
    if given.json:
        print(json.dumps([asdict(state) for state in states], indent=2))
    else:
        for state in states:
            memory = f"{state.resident_bytes / 2**20:7.0f} MiB" if state.pid else ""
            print(f"{state.name:16}{state.state:10}{state.pid or '':>8}{memory:>12}")
    if any(state.state != "up" for state in states):
        sys.exit(1)


@contextlib.contextmanager
def _alone(lab: Lab) -> Iterator[Path]:
    """Hold the lab, by a file beside it, while the block runs. Raises Misconfigured: another command does."""
    lab.folder.parent.mkdir(parents=True, exist_ok=True)
    path = lab.folder.with_suffix(".lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another command is at work on {lab.folder}: wait for it"
            raise Misconfigured(message) from error
        yield path


if __name__ == "__main__":
    main()
