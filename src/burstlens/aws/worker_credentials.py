"""Credentials that end soon, for workers on machines that AWS knows nothing of: a role's, from STS."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from burstlens.aws.session import AwsSession, call
from burstlens.aws.worker_policy import Reach, session_policy
from burstlens.clock import Clock
from burstlens.errors import Misconfigured, Throttled, Unavailable

if TYPE_CHECKING:
    from botocore.client import BaseClient

ENDS_AT = "BURSTLENS_WORKER__ENDS_AT"
"""Variable of the settings `worker.ends_at`."""

_HOUR = 3600
_DURATIONS = tuple(hours * _HOUR for hours in (12, 8, 4, 2, 1))
"""What is asked for, the longest first: a role may allow 1 to 12 hours (IAM's console offers these), and whoever has a
role already gets no more than one (IAM, "role chaining"). STS refuses what is too long, and does not say how long it
may be."""

MARGIN_SECONDS = 300.0
"""From the end of the last worker to that of its credentials. AWS takes signatures whose time is up to five minutes
wrong, so a clock that works at all is not slower than that."""

_FRESH, _USABLE = 0.75, 0.5
"""How much of their time credentials have left that are handed out again; the second while STS does not answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """For whom credentials are."""

    fleet: str
    """Its name, which is in the name of the session and so in CloudTrail."""
    role: str
    """ARN of the role that is assumed."""
    reach: Reach
    needed_seconds: float
    """What an instance must have at least: its boot and a drain."""


@dataclass(frozen=True, slots=True)
class _Issued:
    environment: Mapping[str, str]
    issued_at: float
    ends_at: float
    """All in seconds since the epoch; when the credentials themselves end."""

    def left(self, now: float) -> float:
        """The part of their time that is left; nothing when the clock was set back, since nobody knows then."""
        return 0.0 if now < self.issued_at else (self.ends_at - now) / (self.ends_at - self.issued_at)


class WorkerCredentials:
    """Asks STS once for all instances that are launched within a quarter of the credentials' time."""

    def __init__(self, session: AwsSession, order: Order, clock: Clock) -> None:
        """Ask nobody yet."""
        self._session = session
        self._order = order
        self._clock = clock
        self._asking = asyncio.Lock()
        self._client: BaseClient | None = None
        self._durations = _DURATIONS
        self._known: _Issued | None = None

    async def issue(self) -> Mapping[str, str]:
        """The environment of an instance that is launched now: its credentials, and `ENDS_AT`, when it must be gone.

        Raises:
            Misconfigured: they would end before the instance is of any use, or the role allows no session of an hour.
            NotAuthorized: nobody here may assume the role.
            Throttled, Unavailable: STS does not answer, and what it gave last has less than half of its time left.
        """
        async with self._asking:
            known = self._known
            if known is None or not self._has(known, _FRESH):
                known = self._known = await self._renewed(known)
            return known.environment

    async def _renewed(self, known: _Issued | None) -> _Issued:
        try:
            return await self._ask()
        except (Throttled, Unavailable) as error:
            if known is None or not self._has(known, _USABLE):
                raise
            structlog.get_logger(__name__).warning("no new credentials for workers, using older", error=str(error))
            return known

    async def _ask(self) -> _Issued:
        order, session = self._order, self._session
        region = await asyncio.to_thread(lambda: session.region)
        if self._client is None:
            self._client = await asyncio.to_thread(session.client, "sts")
        policy = session_policy(order.reach, order.role, region)
        issued_at = self._clock.now()
        given = (await self._assumed(self._client, policy))["Credentials"]
        ends_at = given["Expiration"].timestamp()
        environment = {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
            "AWS_REGION": region,
            ENDS_AT: str(int(ends_at - MARGIN_SECONDS)),
        }
        issued = _Issued(environment, issued_at, ends_at)
        if not self._suffices(issued):
            message = (
                f"credentials of {order.role} last {ends_at - issued_at:.0f} s by this machine's clock, and a worker "
                f"needs {order.needed_seconds + MARGIN_SECONDS:.0f} s to boot and to drain: set the clock, let the "
                "role's sessions last longer, or lower scaling.boot_allowance_seconds or worker.drain_seconds"
            )
            raise Misconfigured(message)
        return issued

    async def _assumed(self, client: "BaseClient", policy: str) -> Mapping[str, Any]:
        """STS's answer for the longest time that it grants, which is remembered."""
        order = self._order
        while True:
            try:
                return await call(
                    client,
                    "assume_role",
                    RoleArn=order.role,
                    RoleSessionName=f"{order.fleet}-worker",
                    DurationSeconds=self._durations[0],
                    Policy=policy,
                )
            except Misconfigured as error:
                # Its code, ValidationError, is also that of a malformed question.
                if "DurationSeconds exceeds" not in str(error) or len(self._durations) == 1:
                    raise
                self._durations = self._durations[1:]

    def _has(self, issued: _Issued, part: float) -> bool:
        """Whether so much of its time is left, and enough for a worker."""
        return issued.left(self._clock.now()) >= part and self._suffices(issued)

    def _suffices(self, issued: _Issued) -> bool:
        return issued.ends_at - self._clock.now() >= self._order.needed_seconds + MARGIN_SECONDS
