"""Which fleet a command is about, where it is, and its settings file."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path

from burstlens.aws.session import AwsSession
from burstlens.clock import SystemClock
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.config import difference, settings_text, web_user_data
from burstlens.deploy.aws.parameters import Wish
from burstlens.deploy.aws.up import Order
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

    @property
    def text(self) -> str:
        """What belongs into the settings file when there is none."""
        return settings_text(self.account.names, self._session.endpoint, self._queue)

    def order(self, wish: Wish) -> Order:
        """What `up` is asked for.

        Raises:
            Misconfigured: the settings file is another deployment's.
        """
        if self._exists and (what := difference(self._settings, self.account.names)):
            message = f"{self.path} is another deployment's ({what}): move it away, or name another with --config"
            raise Misconfigured(message)
        settings = self._settings if self._exists else Settings(**tomllib.loads(self.text))
        return Order(wish, self._queue, lambda port: web_user_data(settings, port))
