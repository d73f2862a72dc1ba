"""What queues are called on SQS, where an account holds many deployments."""

from dataclasses import dataclass

from burstlens.errors import Misconfigured
from burstlens.messages import RESPONSES
from burstlens.queues.names import check_name

DEAD = "-dead"
"""Ends the name of the dead-letter queue that belongs to a queue."""
_MAX_LENGTH = 80
"""Source: SQS's "Queue quotas"."""


@dataclass(frozen=True, slots=True)
class Naming:
    """From a queue's name to that on SQS, the *physical* name, and back."""

    prefix: str
    response_name: str = ""
    """The physical name of all response queues, or nothing when each has its own."""

    def is_fixed(self, name: str) -> bool:
        """Whether this is the one response queue that the settings name: it is the deployment's, not a replica's."""
        return bool(self.response_name) and name.startswith(RESPONSES)

    def physical(self, name: str) -> str:
        """The name on SQS.

        Raises:
            Misconfigured: it is no name for a queue, ends like a dead-letter queue's, or is too long with the prefix.
        """
        check_name(name)
        if name.endswith(DEAD):
            message = f"{name!r} is no name for a queue on SQS: {DEAD} ends the names of dead-letter queues"
            raise Misconfigured(message)
        physical = self.response_name if self.is_fixed(name) else check_name(self.prefix + name)
        if len(physical + DEAD) > _MAX_LENGTH:
            message = (
                f"{physical!r} is too long for SQS: with {DEAD} behind it, it has {len(physical + DEAD)} characters "
                f"of at most {_MAX_LENGTH}; shorten queue.url's prefix or the name"
            )
            raise Misconfigured(message)
        return physical

    def name(self, physical: str) -> str | None:
        """The name of the queue that this one is, or is the dead-letter queue of; None for what is not ours."""
        own = physical.removesuffix(DEAD)
        if own == self.response_name or not own.startswith(self.prefix) or own.endswith(".fifo"):
            return None
        return own.removeprefix(self.prefix)
