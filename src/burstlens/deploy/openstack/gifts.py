"""Which credentials the web host is to have, whether it has them, and how it gets them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from burstlens.clouds.user_data import environment_file
from burstlens.deploy.aws.access_keys import AccessKeys
from burstlens.deploy.openstack import names as meta
from burstlens.deploy.openstack.credentials import Credentials, clouds_file, read_clouds_file
from burstlens.deploy.openstack.handover import CA, CLOUDS, CREDENTIALS, SERVICE_USER, Parcel, Secret, hand_over
from burstlens.deploy.openstack.host import Host
from burstlens.deploy.openstack.inventory import Inventory
from burstlens.deploy.openstack.project import Project
from burstlens.deploy.openstack.servers import Servers
from burstlens.deploy.openstack.ssh import Ssh
from burstlens.deploy.openstack.steps import CHANGE, REMOVE, Step
from burstlens.deploy.openstack.things import there
from burstlens.deploy.openstack.user_data import UNITS
from burstlens.errors import Misconfigured, Unavailable

GIVEN = "file"
"""In place of an application credential's id: the operator has brought a ``clouds.yaml``."""

_LOGIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Login:
    """How `up` may log in to the web host."""

    key: Path | None
    user: str
    known_hosts: Path
    port: int = 22


@dataclass(frozen=True, slots=True)
class Need:
    """What the settings of a deployment make its web host need."""

    cloud: str
    """Its name in ``clouds.yaml``; empty when no pool is on OpenStack."""
    keys: AccessKeys | None
    """On AWS; None when queue and buckets are elsewhere."""
    clouds_file: Path | None = None
    """The operator's own; None has an application credential made."""

    @property
    def files(self) -> tuple[str, ...]:
        """What the units wait for."""
        return ((CLOUDS,) if self.cloud else ()) + ((CREDENTIALS,) if self.keys else ())


@dataclass(frozen=True, slots=True)
class Given:
    """Which credentials a host was given, by their ids: what it keeps in its metadata."""

    clouds: str = ""
    """Id of an application credential, or `GIVEN`."""
    key: str = ""
    """Id of an access key."""

    @classmethod
    def of(cls, metadata: str) -> "Given":
        """What `text` wrote; nothing when it is empty."""
        return cls(**json.loads(metadata)) if metadata else cls()

    @property
    def text(self) -> str:
        """As one value of the metadata."""
        return json.dumps({"clouds": self.clouds, "key": self.key})


@dataclass
class Gifts:
    """The handover to one host."""

    project: Project
    inventory: Inventory
    host: Host
    need: Need
    login: Login

    def __post_init__(self) -> None:
        server = self.inventory.server
        self._given = Given.of(server["metadata"].get(meta.HANDED, "")) if server and not self.host.fresh else Given()

    @property
    def _lacks(self) -> bool:
        """Whether the host has not what it needs, or is to have another ``clouds.yaml``."""
        clouds = self._given.clouds
        has_clouds = clouds == GIVEN or clouds in self.inventory.credentials
        has_key = self._given.key in (self.inventory.access_keys or ())
        return bool((self.need.cloud and (self.need.clouds_file or not has_clouds)) or (self.need.keys and not has_key))

    @property
    def left_to_do(self) -> str:
        """What the operator has to do before the host gets what it lacks; empty when there is nothing."""
        if not self._lacks or (self.login.key and self.host.choice.ssh_from):
            return ""
        missing = [] if self.login.key else ["--ssh-key ~/.ssh/id_ed25519"]
        missing += [] if self.host.choice.ssh_from else ["--ssh-from YOUR.ADDRESS/32"]
        return (
            "the web tier waits for its credentials, which are handed over by SSH: "
            f"burstlens deploy openstack up {' '.join(missing)}"
        )

    def steps(self) -> Iterator[Step]:
        """Hand over what is lacking, and remove what nobody has any more.

        Raises:
            Misconfigured: what is to be handed over cannot be had.
        """
        name = self.project.names.web
        if self._lacks and self.login.key and not self.left_to_do:
            self._check()
            yield Step(
                CHANGE, "credentials", name, f"by SSH, as {self.login.user}", partial(self._hand_over, self.login.key)
            )
        elif unused := self._unused(self._given):
            yield Step(REMOVE, "credentials", name, f"{unused} that no server has", lambda: self._tidy(self._given))

    def _check(self) -> None:
        """Raise before anything is made what would be raised after it."""
        if self.need.cloud and self.need.clouds_file:
            read_clouds_file(self.need.clouds_file, self.need.cloud)
        elif self.need.cloud:
            Credentials(self.project).check_allowed()
        if self.need.keys and self.inventory.access_keys is None:
            message = (
                f"there is no IAM user {self.need.keys.user} for the web tier's server: "
                "`burstlens deploy aws up --private-cloud` makes it"
            )
            raise Misconfigured(message)

    def _hand_over(self, key: Path) -> None:
        server = there(self.host.server)
        ssh = self._ssh(server["id"], key)
        self._wait_for_login(ssh)
        given, files = self._packed()
        hand_over(ssh, Parcel(files, UNITS))
        # Whoever dies here hands over again: what was given now is in nobody's books.
        Servers(self.project).note(server, {meta.HANDED: given.text})
        self.project.say(f"  handed over {', '.join(files)}")
        self._given = given
        self._tidy(given)

    def _ssh(self, server: str, key: Path) -> Ssh:
        login = self.login
        return Ssh(self.host.address, login.user, key, login.known_hosts, f"burstlens-{server}", login.port)

    def _wait_for_login(self, ssh: Ssh) -> None:
        project, said = self.project, ""
        until = project.clock.now() + _LOGIN_SECONDS
        while True:
            try:
                ssh.run("true")
            except Unavailable as error:
                if project.clock.now() >= until:
                    message = f"no login within {_LOGIN_SECONDS / 60:.0f} minutes: {error}; everything else is made"
                    raise Unavailable(message) from None
                if str(error) != said:
                    said = str(error)
                    project.say(f"  waiting for a login: {said}")
                project.pause(3.0)
            else:
                return

    def _packed(self) -> tuple[Given, dict[str, Secret]]:
        """The files, and whose secrets are in them. They are made now, and known to nobody else."""
        files: dict[str, Secret] = {}
        clouds = key = ""
        if self.need.cloud and self.need.clouds_file:
            clouds = GIVEN
            text = read_clouds_file(self.need.clouds_file, self.need.cloud)
            files[CLOUDS] = Secret(text, 0o640, SERVICE_USER)
        elif self.need.cloud:
            clouds, secret = Credentials(self.project).make()
            files[CLOUDS] = Secret(clouds_file(self.project, self.need.cloud, secret), 0o640, SERVICE_USER)
            if authority := self.project.cloud.config.config.get("cacert"):
                files[CA] = Secret(Path(authority).read_text(encoding="ascii"), 0o644)
        if self.need.keys:
            made = self.need.keys.make(kept=self._given.key)
            key = made.id
            files[CREDENTIALS] = Secret(environment_file(made.environment), 0o600)
        return Given(clouds, key), files

    def _unused(self, given: Given) -> str:
        """How many credentials of the fleet nobody has; empty when there is none."""
        there = {*self.inventory.credentials, *(self.inventory.access_keys or ())}
        left = len(there - {given.clouds, given.key})
        return str(left) if left else ""

    def _tidy(self, given: Given) -> None:
        """Remove every credential of the fleet but those that the host was given."""
        credentials = Credentials(self.project)
        for number, name in credentials.names().items():
            if number != given.clouds:
                credentials.remove(number, name)
        if self.need.keys:
            for key in self.need.keys.ids() or ():
                if key != given.key:
                    self.need.keys.remove(key)
                    self.project.say(f"  removed AWS access key {key}")
