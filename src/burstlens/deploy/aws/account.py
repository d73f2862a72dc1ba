"""One account and region, and all calls to it."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from burstlens.aws.session import AwsSession, call_blocking
from burstlens.clock import Clock
from burstlens.deploy import patience
from burstlens.deploy.aws.names import Names

if TYPE_CHECKING:
    from botocore.client import BaseClient

POLL_SECONDS = 3.0
"""Between two looks at something that is under way."""


class Account:
    """Who asks for one fleet, and where. Every call blocks, and raises `BurstlensError` as AWS's error means."""

    def __init__(self, session: AwsSession, fleet: str, clock: Clock, say: Callable[[str], None]) -> None:
        """Ask nobody yet; `say` is given each line of progress."""
        self.session = session
        self.clock = clock
        self.say = say
        self._fleet = fleet
        self._clients: dict[str, BaseClient] = {}

    @cached_property
    def names(self) -> Names:
        """What the fleet's things are called here; the first use asks whose account this is."""
        caller = self.ask("sts", "get_caller_identity")
        return Names(self._fleet, caller["Account"], self.session.region, caller["Arn"].split(":")[1])

    def ask(self, service: str, operation: str, **parameters: Any) -> Mapping[str, Any]:  # noqa: ANN401 - AWS's own shapes
        """One call of one operation, such as ``ec2``, ``describe_instances``."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return call_blocking(self._clients[service], operation, **parameters)

    def pages(self, service: str, operation: str, **parameters: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
        """Every page of an operation whose pages are linked by ``NextToken``."""
        token: dict[str, str] = {}
        while True:
            page = self.ask(service, operation, **parameters, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def polls(self, what: str, within_seconds: float) -> Iterator[None]:
        """As `burstlens.deploy.patience.polls`, every `POLL_SECONDS`."""
        return patience.polls(self.clock, what, within_seconds, POLL_SECONDS)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long."""
        patience.pause(self.clock, seconds)
