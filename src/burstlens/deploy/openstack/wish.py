"""What an operator asks for, and what becomes of it: what is there already stays until somebody says otherwise."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from burstlens.errors import Misconfigured

CIDR, PORT, EVERYBODY, NOBODY = "192.168.10.0/24", 80, "0.0.0.0/0", "none"
FIRST: Mapping[str, object] = {
    "cidr": CIDR,
    "dns": (),
    "external": "",
    "port": PORT,
    "web_from": EVERYBODY,
    "ssh_from": "",
    "image": "",
    "flavor": "",
    "zone": "",
    "public_key": "",
}
"""What each is when neither the operator nor what is there says it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asks for; None leaves it as it is."""

    image: str | None = None
    """Name or id: what the web host and workers start from."""
    flavor: str | None = None
    """Name or id: the web host's kind of machine."""
    zone: str | None = None
    cidr: str | None = None
    """Of the private network, IPv4."""
    dns: tuple[str, ...] | None = None
    """Addresses of the servers that its machines ask."""
    external: str | None = None
    """Name or id of the network with floating IPs."""
    port: int | None = None
    web_from: str | None = None
    """CIDR, IPv4."""
    ssh_from: str | None = None
    """The same, or `NOBODY`."""
    ssh_key: Path | None = None
    """Private key of the operator, its public one beside it as ``….pub``; or that one, for an agent's key."""

    def chosen(self, before: Mapping[str, object]) -> "Choice":
        """All of it, from what is asked for now, what is there, and what is first.

        Args:
            before: what is there, by the names of `FIRST`.

        Raises:
            Misconfigured: something asked for is none, or cannot be had any more.
        """
        given: dict[str, object] = {
            "cidr": None if self.cidr is None else _range("--cidr", self.cidr),
            "dns": None if self.dns is None else tuple(map(_address, self.dns)),
            "external": self.external,
            "port": self.port,
            "web_from": None if self.web_from is None else _range("--web-from", self.web_from),
            "ssh_from": _ssh_range(self.ssh_from),
            "image": self.image,
            "flavor": self.flavor,
            "zone": self.zone,
            "public_key": None if self.ssh_key is None else _public_key(self.ssh_key),
        }
        values = {**FIRST, **before, **{name: value for name, value in given.items() if value is not None}}
        if values["port"] == 22:
            message = "--port: 22 is SSH's"
            raise Misconfigured(message)
        if values["cidr"] != before.get("cidr", values["cidr"]):
            message = f"--cidr: the network is {before['cidr']}; `burstlens deploy openstack down` removes it first"
            raise Misconfigured(message)
        return Choice(**values)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a fleet is to be; the same names as those of `Wish`, all of them known."""

    cidr: str
    dns: Sequence[str]
    external: str
    port: int
    web_from: str
    ssh_from: str
    """Empty is nobody."""
    image: str
    flavor: str
    zone: str
    public_key: str
    """Its text; empty is none."""

    def __post_init__(self) -> None:
        for name in ("image", "flavor"):
            if not getattr(self, name):
                message = f"--{name} says what the web tier's server is made of; `burstlens image bake` makes an image"
                raise Misconfigured(message)


def _ssh_range(cidr: str | None) -> str | None:
    if cidr is None or cidr == NOBODY:
        return None if cidr is None else ""
    return _range("--ssh-from", cidr)


def _range(option: str, cidr: str) -> str:
    try:
        return str(ipaddress.IPv4Network(cidr))
    except ValueError as error:
        message = f"{option}: {cidr!r} is no range of IPv4 addresses such as 203.0.113.0/24: {error}"
        raise Misconfigured(message) from None


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        message = f"--dns: {text!r} is no IPv4 address: {error}"
        raise Misconfigured(message) from None


def _public_key(path: Path) -> str:
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        text = public.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        message = f"--ssh-key: there is no {public}; `ssh-keygen -y -f {path} > {public}` writes it"
        raise Misconfigured(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"--ssh-key: {public} cannot be read: {error}"
        raise Misconfigured(message) from None
    if "\n" in text or len(text.split()) < 2 or "PRIVATE" in text:
        message = f"--ssh-key: {public} is no public key of OpenSSH"
        raise Misconfigured(message)
    return text
