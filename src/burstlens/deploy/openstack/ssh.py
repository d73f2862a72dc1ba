"""OpenSSH's client as the way to one host: it knows agents, keys and how to be told of a jump host."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from burstlens.errors import Misconfigured, Unavailable

_CONNECT_SECONDS = 10
_COMMAND_SECONDS = 120.0
_FAILED = 255
"""What the client itself exits with when it cannot reach a host or log in to it (ssh(1), "EXIT STATUS")."""


@dataclass(frozen=True, slots=True)
class Ssh:
    """How to log in to one host.

    Attributes:
        host: its address.
        user: who may log in there.
        key: private key, or the public one of a key that an agent holds.
        known_hosts: file of the deployment's own.
        alias: what its host key is remembered by: another server may have the same address later.
        port: of its sshd.
    """

    host: str
    user: str
    key: Path
    known_hosts: Path
    alias: str
    port: int = 22

    def run(self, command: str, told: bytes = b"") -> None:
        """Run a command there; what it is told is on its standard input, so that no list of processes shows it.

        Raises:
            Unavailable: the host does not answer, or refuses the login; the text says which.
            Misconfigured: the command failed there, or the host is another than the one that is known.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the words are our own
                self._words(command), input=told, capture_output=True, timeout=_COMMAND_SECONDS, check=False
            )
        except FileNotFoundError:
            message = "ssh is missing: install the OpenSSH client"
            raise Misconfigured(message) from None
        except subprocess.TimeoutExpired:
            message = f"{self.host}: no answer over SSH within {_COMMAND_SECONDS:.0f} s"
            raise Unavailable(message) from None
        if done.returncode == 0:
            return
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"ssh exits with {done.returncode}"]
        if "Host key verification failed." in lines:
            message = f"{self.host} shows another host key than the one in {self.known_hosts}: is it still that server?"
            raise Misconfigured(message)
        message = f"{self.user}@{self.host}: {lines[-1].strip()}"
        raise Unavailable(message) if done.returncode == _FAILED else Misconfigured(message)

    def _words(self, command: str) -> Sequence[str]:
        known = str(self.known_hosts.absolute()).replace("%", "%%")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(_CONNECT_SECONDS),
            "HostKeyAlias": self.alias,
            "IdentitiesOnly": "yes",
            "ServerAliveInterval": "10",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": f'"{known}"',
        }
        words = ["ssh", "-T", "-p", str(self.port), "-i", str(self.key)]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        return [*words, f"{self.user}@{self.host}", "--", command]
