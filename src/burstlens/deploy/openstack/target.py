"""Which fleet a command is about, in which cloud it is, and its settings file."""

import json
import os
import tomllib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from burstlens.clock import SystemClock
from burstlens.deploy.aws.access_keys import AccessKeys
from burstlens.deploy.openstack.gifts import Login, Need
from burstlens.deploy.openstack.names import Names
from burstlens.deploy.openstack.project import Project
from burstlens.deploy.openstack.settings_file import added, difference, strangers, unreachable
from burstlens.deploy.openstack.up import Order
from burstlens.deploy.openstack.user_data import web_user_data
from burstlens.deploy.openstack.wish import Choice, Wish
from burstlens.deploy.whole_file import check_writable, write_whole
from burstlens.errors import Misconfigured
from burstlens.settings import load_settings
from burstlens.settings.load import CONFIG_NAME

_HEADER = "# Written by `burstlens deploy openstack up`. Change what you like: it is not written over.\n"


class Target:
    """A fleet as the command line names it."""

    def __init__(self, config: Path | None, fleet: str | None, cloud: str | None, say: Callable[[str], None]) -> None:
        """Read the settings file, if there is one, and ask nobody.

        Args:
            config: the settings file; None is $BURSTLENS_CONFIG, else ``burstlens.toml`` in this folder.
            fleet: its name; None is that of the settings.
            cloud: its name in ``clouds.yaml``; None is that of the settings, else $OS_CLOUD.
            say: is given each line of progress.

        Raises:
            Misconfigured: the settings cannot be read, or no cloud is named.
        """
        self.path = config or Path(os.environ.get("BURSTLENS_CONFIG", CONFIG_NAME))
        self._exists = self.path.exists()
        self._settings = load_settings(self.path if self._exists else Path(os.devnull))
        self._cloud = cloud or self._settings.openstack.cloud or os.environ.get("OS_CLOUD", "")
        if not self._cloud:
            message = "no OpenStack cloud: --cloud, openstack.cloud or OS_CLOUD says its name in clouds.yaml"
            raise Misconfigured(message)
        self._text = self.path.read_text(encoding="utf-8") if self._exists else ""
        names = Names(fleet or self._settings.fleet)
        options = self._settings.openstack.model_copy(update={"cloud": self._cloud})
        self.project = Project(options, names, SystemClock(), say)

    @cached_property
    def access_keys(self) -> AccessKeys | None:
        """The web host's on AWS; None when neither queue nor buckets are there."""
        buckets = self._settings.buckets
        addresses = (self._settings.queue.url, buckets.inputs, buckets.outputs, buckets.fleet)
        if not any(address.startswith(("sqs:", "s3:")) for address in addresses):
            return None
        from burstlens.aws.session import AwsSession

        return AccessKeys(AwsSession(self._settings.aws), self.project.names.aws_user)

    def order(self, wish: Wish, worker_flavor: str | None, user: str, clouds_file: Path | None) -> Order:
        """What `up` is asked for.

        Args:
            wish: of the operator.
            worker_flavor: of workers, in a file that has no pool of them yet; None is the web host's.
            user: who may log in to the web host.
            clouds_file: a ``clouds.yaml`` for it; None has its credentials made.

        Raises:
            Misconfigured: the settings file is another deployment's, or could not be written.
        """
        names = self.project.names
        if self._exists and (what := difference(self._settings, names, self._cloud)):
            message = f"{self.path} is another deployment's ({what}): move it away, or name another with --config"
            raise Misconfigured(message)
        if not self._exists:
            check_writable(self.path)
        need = Need(self._cloud if self._has_workers else "", self.access_keys, clouds_file)
        login = Login(wish.ssh_key, user, self.path.with_name(f"{names.fleet}.known_hosts"))

        def user_data(choice: Choice, network: str, group: str) -> str:
            ids = {names.network: network, names.worker: group}
            text = self._whole(choice, worker_flavor)
            return web_user_data(text, names, choice.port, need.cloud, ids, need.files)

        return Order(wish, need, login, user_data)

    def write(self, choice: Choice, worker_flavor: str | None) -> list[str]:
        """Write to the settings file what it lacks; return lines that say what was done, and what is left to do.

        Raises:
            Misconfigured: it cannot be written.
        """
        text = self._whole(choice, worker_flavor)
        if text == self._text:
            done = f"{self.path} is as it should be"
        else:
            write_whole(self.path, text)
            done = f"{self.path} is added to" if self._exists else f"{self.path} is written"
        return [done, *(f"{self.path}: {line}" for line in self.remarks())]

    def remarks(self) -> list[str]:
        """What the operator should know of the settings."""
        if not self._has_workers:
            return [
                f"workers are processes of the web tier's server, since {unreachable(self._settings)}: "
                "`burstlens deploy aws up --private-cloud` makes what they can reach"
            ]
        lines = strangers(self._settings, self.project.names) if "openstack" in tomllib.loads(self._text) else []
        if self.access_keys and not self._settings.aws.worker_role:
            lines.append("aws.worker_role is missing: `burstlens deploy aws up --private-cloud` makes it")
        return lines

    @property
    def _has_workers(self) -> bool:
        """Whether there are, or are going to be, workers on OpenStack."""
        return not unreachable(self._settings)

    def _whole(self, choice: Choice, worker_flavor: str | None) -> str:
        """The text of the settings file, with all that it has to have."""
        pool = {"image": choice.image, "flavor": worker_flavor or choice.flavor, "zone": choice.zone}
        names = self.project.names
        before = self._text or f"{_HEADER}fleet = {json.dumps(names.fleet)}\n"
        lacking = added(before, names, self._cloud, pool if self._has_workers else {})
        whole = f"{before.rstrip()}\n\n{lacking}" if lacking else before
        try:
            tomllib.loads(whole)
        except tomllib.TOMLDecodeError:
            message = f"{self.path}: its pools leave no place for another one; add this yourself:\n{lacking}"
            raise Misconfigured(message) from None
        return whole
