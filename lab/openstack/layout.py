"""Where the lab is: its folder, its addresses, and what its templates are filled with."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

from burstlens.errors import Misconfigured

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
DRIVERS = HERE / "neutron_driver"

REGION = "RegionOne"
KEYSTONE = "http://127.0.0.1:5000/v3"
PLACEMENT = "http://127.0.0.1:8778"
GLANCE = "http://127.0.0.1:9292"
NEUTRON = "http://127.0.0.1:9696"
NOVA = "http://127.0.0.1:8774/v2.1"

RABBITMQ_PORT, RABBITMQ_PEERS_PORT, EPMD_PORT = 14372, 14371, 14369
"""Not the usual ones: a RabbitMQ of this machine's own may have those."""

BRIDGE = "br-lab"
BRIDGE_ADDRESS = "172.31.77.1"
"""Where guests of the compute `real` reach this machine."""

REAL_HOST = "real.lab"
"""What this machine is called as a host of guests. It has a dot because libvirt asks DNS about a name without one."""

_SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path, unix(7)."""


@dataclass(frozen=True)
class Lab:
    """A lab in a folder of its own. Nothing of it is elsewhere, except the bridge and Debian's packages."""

    folder: Path

    def __post_init__(self) -> None:
        """Raises Misconfigured: a socket's path would be too long."""
        longest = self.folder / "libvirt/run/libvirt-admin-sock"
        if len(os.fsencode(longest)) > _SOCKET_PATH_LIMIT:
            message = f"{self.folder} is too deep for a Unix socket: choose a shorter --folder"
            raise Misconfigured(message)

    @property
    def venv(self) -> Path:
        """OpenStack's own packages."""
        return self.folder / "venv"

    @property
    def etc(self) -> Path:
        """The templates, filled."""
        return self.folder / "etc"

    @property
    def run(self) -> Path:
        """Pid files and sockets."""
        return self.folder / "run"

    @property
    def log(self) -> Path:
        """One file for each process."""
        return self.folder / "log"

    @property
    def clouds(self) -> Path:
        """Credentials, as openstacksdk reads them."""
        return self.folder / "clouds.yaml"

    def tool(self, name: str) -> str:
        """A command of the lab's venv."""
        return str(self.venv / "bin" / name)

    @cached_property
    def password(self) -> str:
        """Of every user; made up once for each lab."""
        kept = self.folder / "password"
        if not kept.exists():
            write_private(kept, secrets.token_urlsafe(16))
        return kept.read_text()

    @property
    def environment(self) -> Mapping[str, str]:
        """Of every process: this one's, without what would lead OpenStack to another cloud or Python elsewhere."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTHON"))}
        return kept | {
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "PATH": f"{self.venv}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(DRIVERS),
            "PYTHONWARNINGS": "ignore",
            "OS_KEYSTONE_CONFIG_DIR": f"{self.etc}/keystone",
            "OS_PLACEMENT_CONFIG_DIR": f"{self.etc}/placement",
            "OS_GLANCE_CONFIG_DIR": f"{self.etc}/glance",
            "OS_NEUTRON_CONFIG_DIR": f"{self.etc}/neutron",
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2.ini",
            "OS_NOVA_CONFIG_DIR": f"{self.etc}/nova",
            "OS_NOVA_CONFIG_FILES": f"{self.venv}/etc/nova/api-paste.ini;nova.conf",
        }

    def make_folders(self) -> None:
        """Make every folder that a service expects; only root may look into them."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("run", "log", "tmp", "locks", "mariadb", "rabbitmq", "neutron", "keys/fernet", "keys/credential"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("glance/images", "glance/staging", "glance/tasks", "nova-fake/instances", "nova-real/instances"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def configure(self) -> None:
        """Write ``etc/``: the templates in the same places, filled. Idempotent, and what runs does not notice."""
        words = self.words()
        for template in sorted(TEMPLATES.rglob("*.*")):
            if template.is_file() and template.name not in {"clouds.yaml", "credentials.conf"}:
                target = self.etc / template.relative_to(TEMPLATES)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_private(target, filled(template, words))

    def words(self) -> dict[str, str]:
        """What a template may name, as ``${name}`` (`string.Template`); an unknown name is an error."""
        words = {
            "folder": str(self.folder),
            "venv": str(self.venv),
            "etc": str(self.etc),
            "run": str(self.run),
            "region": REGION,
            "keystone": KEYSTONE,
            "rabbitmq": f"rabbit://guest:guest@127.0.0.1:{RABBITMQ_PORT}/",
            "real_host": REAL_HOST,
            "password": self.password,
        }
        return words | {"credentials": filled(TEMPLATES / "credentials.conf", words)}


def filled(template: Path, words: Mapping[str, str]) -> str:
    """The template's text. Raises KeyError: it names what is not among the words."""
    return Template(template.read_text()).substitute(words)


def write_private(path: Path, text: str) -> None:
    """Write a file, all of it or nothing, that only its owner reads."""
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
