"""One project of an OpenStack, and all calls to it."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from burstlens.clock import Clock
from burstlens.deploy import patience
from burstlens.deploy.openstack.names import Names
from burstlens.errors import NotFound, Unavailable
from burstlens.openstack.errors import Conflict, translated
from burstlens.openstack.options import OpenStackOptions
from burstlens.openstack.session import open_connection

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.identity.v3._proxy import Proxy as Identity

Thing = Mapping[str, Any]
"""A network, a server, and so on, with openstacksdk's names of its attributes."""

Result = TypeVar("Result")

POLL_SECONDS = 2.0
"""Between two looks at something that is under way."""

_LOOKS = 5
"""How often a thing is looked for whose making was not answered."""


class Project:
    """Who asks for one fleet, and where. Every call blocks, and raises `BurstlensError` as OpenStack's error means."""

    def __init__(self, options: OpenStackOptions, names: Names, clock: Clock, say: Callable[[str], None]) -> None:
        """Ask nobody yet; `say` is given each line of progress."""
        self.options = options
        self.names = names
        self.clock = clock
        self.say = say

    @cached_property
    def cloud(self) -> "Connection":
        """A client. Its retries are those of ``clouds.yaml``: see `make`."""
        return open_connection(self.options)

    @cached_property
    def identity(self) -> "Identity":
        """Keystone's, of version 3."""
        return cast("Identity", self.cloud.identity)

    @cached_property
    def id(self) -> str:
        """Of the project: an administrator is shown the things of all of them."""
        return str(self.ask("the project", lambda: self.cloud.current_project_id))

    @cached_property
    def user(self) -> str:
        """Whose key pairs and application credentials these are."""
        return str(self.ask("the user", lambda: self.cloud.current_user_id))

    def ask(self, what: str, call: Callable[[], Result]) -> Result:
        """What one call returns; `what` begins the text of its error."""
        with translated(what):
            return call()

    def make(self, what: str, create: Callable[[], Result], look: Callable[[], Result | None]) -> Result:
        """Make a thing, once: where no answer came, it is looked for, since it may be there all the same.

        Raises:
            Unavailable: nobody knows whether it is made; whoever calls again looks first.
        """
        self.say(f"  making {what}")
        try:
            return self.ask(what, create)
        except Unavailable:
            for _ in range(_LOOKS):
                if found := look():
                    return found
                self.pause(POLL_SECONDS)
            raise

    def remove(self, what: str, delete: Callable[[], object]) -> None:
        """Remove a thing that may be gone already."""
        try:
            self.ask(what, delete)
        except NotFound:
            return
        self.say(f"  removed {what}")

    def insist(self, act: Callable[[], object], within_seconds: float) -> None:
        """Do what another thing may stand in the way of for a while.

        Raises:
            Conflict: it still does.
        """
        until = self.clock.now() + within_seconds
        while True:
            try:
                act()
            except Conflict:
                if self.clock.now() >= until:
                    raise
            else:
                return
            self.pause(POLL_SECONDS)

    def polls(self, what: str, within_seconds: float) -> Iterator[None]:
        """As `burstlens.deploy.patience.polls`, every `POLL_SECONDS`."""
        return patience.polls(self.clock, what, within_seconds, POLL_SECONDS)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long."""
        patience.pause(self.clock, seconds)
