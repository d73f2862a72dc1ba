"""Which fleet a command is about, where it is, and its settings file."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.config import (
    difference,
    missing_role,
    missing_zones,
    settings_text,
    web_user_data,
    write_settings,
)
from burstlens.deploy.aws.parameters import Wish
from burstlens.deploy.aws.stack import Stack
from burstlens.deploy.aws.up import Order
from burstlens.deploy.whole_file import check_writable
from burstlens.errors import Misconfigured
from burstlens.queues.base import QueueOptions
from burstlens.settings import Settings, load_settings
from burstlens.settings.load import CONFIG_NAME


class Target:
    """A fleet as the command line names it."""

    def __init__(self, config: Path | None, fleet: str | None, say: Callable[[str], None]) -> None:
        """Read the settings file, if there is one, and ask nobody.

        Args:
            config: the settings file; None is $BURSTLENS_CONFIG, else ``burstlens.toml`` in this folder.
            fleet: its name; None is that of the settings.
            say: is given each line of progress.
        """
        self.path = config or Path(os.environ.get("BURSTLENS_CONFIG", CONFIG_NAME))
        self._exists = self.path.exists()
        self._settings = load_settings(self.path if self._exists else Path(os.devnull))
        # Without a file, these settings are those of one machine.
        self._queue = self._settings.queue_options() if self._exists else QueueOptions()
        self._session = AwsSession(self._settings.aws)
        self.account = Account(self._session, fleet or self._settings.fleet, SystemClock(), say)

    def write(self, stack: Stack) -> list[str]:
        """Write the settings file if there is none; return lines that say what was done, and what is left to do.

        Raises:
            Misconfigured: it cannot be written.
        """
        subnet = stack.parameters.get("WebSubnetId", "")
        role = self.account.names.private_worker_role if stack.private_cloud else ""
        done = write_settings(self.path, self._text(subnet, role))
        lacking = [missing_zones(self._settings, subnet), missing_role(self._settings, role)] if self._exists else []
        return [done, *(f"{self.path}: {line}" for line in lacking if line)]

    def order(self, wish: Wish) -> Order:
        """What `up` is asked for.

        Raises:
            Misconfigured: the settings file is another deployment's, or could not be written.
        """
        if not self._exists:
            check_writable(self.path)
        if self._exists and (what := difference(self._settings, self.account.names)):
            message = f"{self.path} is another deployment's ({what}): move it away, or name another with --config"
            raise Misconfigured(message)
        return Order(wish, self._queue, lambda port, subnet: web_user_data(self._settings_for(subnet), port))

    def _settings_for(self, subnet: str) -> Settings:
        """Those of the file: the one that is there, or the one that will be written."""
        return self._settings if self._exists else Settings(**tomllib.loads(self._text(subnet)))

    def _text(self, subnet: str, worker_role: str = "") -> str:
        return settings_text(self.account.names, self._session.endpoint, self._queue, subnet, worker_role)
