"""What this process knows of the leases that it took, since SQS may say anything about a stale receipt.

For one, a delete with a receipt that somebody else's has replaced may be refused or done; an extension of a lease that
ended may hide the message from its new receiver.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from burstlens.queues.sqs.limits import MAX_LEASE_SECONDS

_REMEMBERED = 2000
"""Receipts, the newest ones: far more than one process holds, in less than 1 MB. One that is forgotten is left to
SQS's judgement."""


@dataclass(slots=True)
class _Lease:
    received_at: float
    until: float
    given_up: bool = False


class Leases:
    """When each lease ends, as seconds since the epoch, and which ones were given up before."""

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}
        self._being_given_up: set[str] = set()

    def take(self, receipt: str, now: float, seconds: float) -> None:
        """A message was received."""
        self._leases[receipt] = _Lease(now, now + seconds)
        if len(self._leases) > _REMEMBERED:
            del self._leases[next(iter(self._leases))]

    def given_up(self, receipt: str) -> bool:
        """Whether it was released, deleted or buried here: it means nothing any more."""
        lease = self._leases.get(receipt)
        return lease is not None and lease.given_up

    def being_given_up(self, receipt: str) -> bool:
        """Whether SQS is being told so at this moment: then nobody has lost it."""
        return receipt in self._being_given_up

    def ended(self, receipt: str, now: float) -> bool:
        """Whether it ran out or was given up, as far as is known here."""
        lease = self._leases.get(receipt)
        return lease is not None and (lease.given_up or lease.until <= now)

    def seconds_left(self, receipt: str, now: float) -> float:
        """How long an extension may still be; SQS refuses a longer one as a whole."""
        lease = self._leases.get(receipt)
        return MAX_LEASE_SECONDS if lease is None else lease.received_at + MAX_LEASE_SECONDS - now

    def extend(self, receipt: str, until: float) -> None:
        """SQS has renewed it."""
        if receipt in self._leases:
            self._leases[receipt].until = until

    @contextlib.contextmanager
    def giving_up(self, receipts: Sequence[str]) -> Iterator[None]:
        """While SQS is told, nobody may extend these; when it could not be told, they are as before."""
        leases = [lease for receipt in receipts if (lease := self._leases.get(receipt))]
        for lease in leases:
            lease.given_up = True
        self._being_given_up |= set(receipts)
        try:
            yield
        except BaseException:
            for lease in leases:
                lease.given_up = False
            raise
        finally:
            self._being_given_up -= set(receipts)
