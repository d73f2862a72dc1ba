"""The few errors that adapters raise. Each one means what its receiver should do next."""

from collections.abc import Collection


class BurstlensError(Exception):
    """Base of every error that burstlens raises on purpose; its text is one sentence for the operator."""


class Throttled(BurstlensError):
    """The service asks for a pause: wait `retry_after_seconds`, then ask again."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class CapacityUnavailable(BurstlensError):
    """The cloud has no machine of this kind right now: try the next pool."""


class QuotaExceeded(BurstlensError):
    """The account may not have more: stop asking this pool for a while."""


class NotAuthorized(BurstlensError):
    """The credentials do not allow the call: tell the operator, keep what runs."""


class Misconfigured(BurstlensError):
    """A setting cannot work: tell the operator, keep what runs."""


class NotFound(BurstlensError):
    """The queue, object or instance that was named does not exist."""


class Unavailable(BurstlensError):
    """The service did not answer, so its state is unknown (and unknown is not zero): hold, and ask again."""


class BornUnseen(Unavailable):
    """A launch got no answer: each of `names` may have been born, and none of the others that were asked for."""

    def __init__(self, message: str, names: Collection[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)
