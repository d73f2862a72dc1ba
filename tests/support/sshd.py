"""A real sshd on loopback, in place of the one of a server."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from burstlens.deploy.openstack.ssh import Ssh

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_sshd = pytest.mark.skipif(SSHD is None, reason="there is no sshd: apt install openssh-server")

_ENTRY = """\
#!/bin/sh
# The machine's /etc/burstlens is below the folder of the test.
exec sh -c "$(printf %s "$SSH_ORIGINAL_COMMAND" | sed 's|/etc/burstlens|{root}/etc/burstlens|g')"
"""
_SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> {root}/systemctl.log
"""


@dataclass(frozen=True)
class Host:
    """What stands in for a server.

    Attributes:
        folder: of everything.
        port: of its sshd.
        key: private key that may log in.
    """

    folder: Path
    port: int
    key: Path

    @property
    def user(self) -> str:
        return pwd.getpwuid(os.getuid()).pw_name

    @property
    def etc(self) -> Path:
        """Where its credentials are."""
        return self.folder / "etc" / "burstlens"

    @property
    def units(self) -> list[str]:
        """What systemctl was told, call by call."""
        log = self.folder / "systemctl.log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known hosts 100%"

    def ssh(self, *, key: Path | None = None, port: int | None = None, alias: str = "host") -> Ssh:
        return Ssh("127.0.0.1", self.user, key or self.key, self.known_hosts, alias, port or self.port)


def make_key(path: Path) -> Path:
    """A key pair, the public one beside the private one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)
    return path


@contextmanager
def sshd(folder: Path) -> Iterator[Host]:
    """A host that answers while the block runs."""
    key, host_key = make_key(folder / "id"), make_key(folder / "host")
    (folder / "authorized_keys").write_text((folder / "id.pub").read_text())
    commands = folder / "bin"
    commands.mkdir()
    for name, text in (("entry", _ENTRY), ("systemctl", _SYSTEMCTL)):
        (commands / name).write_text(text.format(root=folder))
        (commands / name).chmod(0o755)
    port = _free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {host_key}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nAuthorizedKeysFile {folder}/authorized_keys\n"
        f"PermitRootLogin prohibit-password\nSetEnv PATH={commands}:{os.environ['PATH']}\n"
        f"ForceCommand {commands}/entry\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = (folder / "sshd.log").open("wb")
    with log, subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(config)], stderr=log) as process:
        try:
            _wait(port)
            yield Host(folder, port, key)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        subprocess.run(["sleep", "0.05"], check=True)
    message = "sshd does not listen"
    raise AssertionError(message)
