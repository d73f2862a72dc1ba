"""Giving the web host its credentials, over SSH.

They are in no image, and in no user data, which every process of a server may read.
The units of the host wait for these files (see `waiting`), so it does not matter how much later they come.
"""

import io
import shlex
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from burstlens.clouds.user_data import CREDENTIALS_FILE
from burstlens.deploy.openstack.ssh import Ssh

FOLDER = str(PurePosixPath(CREDENTIALS_FILE).parent)
CREDENTIALS = PurePosixPath(CREDENTIALS_FILE).name
CLOUDS = "clouds.yaml"
CA = "cloud-ca.pem"
"""Who has signed the certificate of a private cloud that no public authority has."""

SERVICE_USER = "burstlens"
"""Who the units run as. systemd reads `CREDENTIALS` for them; openstacksdk reads `CLOUDS` as this user."""

SCRIPT = """\
set -eu
folder=$1
shift
mkdir -p "$folder"
new=$(mktemp -d "$folder/.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
tar -x -p -f - -C "$new"
mv -f -t "$folder" "$new"/*
systemctl daemon-reload
systemctl restart --no-block -- "$@"
"""
"""Run by root with a tar archive on its input: a file is there whole, with its mode and owner, or not at all."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One file that is handed over."""

    text: str = field(repr=False)
    mode: int
    group: str = "root"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What the web host is given: files by name, all of them in `FOLDER`."""

    files: Mapping[str, Secret]
    units: Sequence[str]
    """Which are started with them."""

    @property
    def archive(self) -> bytes:
        """The files as tar."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, secret in self.files.items():
                content = secret.text.encode()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.uname, entry.gname = len(content), secret.mode, "root", secret.group
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def waiting(names: Sequence[str], units: Sequence[str]) -> dict[str, str]:
    """Files of systemd by which these units do not start, and do not fail either, before these files are there.

    Nothing tries in vain meanwhile: the handover starts them, and so does every later boot.
    """
    conditions = "".join(f"ConditionPathExists={FOLDER}/{name}\n" for name in names)
    return {f"/etc/systemd/system/{unit}.d/credentials.conf": f"[Unit]\n{conditions}" for unit in units}


def hand_over(ssh: Ssh, parcel: Parcel) -> None:
    """Put the files there, and start what waits for them. It may be repeated after dying at any point.

    Raises:
        Unavailable, Misconfigured: as `Ssh.run`.
    """
    words = ["sh", "-c", SCRIPT, "handover", FOLDER, *parcel.units]
    ssh.run(shlex.join(words if ssh.user == "root" else ["sudo", "-n", *words]), parcel.archive)
