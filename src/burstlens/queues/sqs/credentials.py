"""The session's credentials, remembered for a moment, since asking for them may block."""

import asyncio
from typing import TYPE_CHECKING

from burstlens.aws.session import AwsSession
from burstlens.clock import Clock

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

FRESH_SECONDS = 60.0
"""How long they are used without asking botocore again. It renews what expires within 15 minutes, and hands out nothing
that expires within 10 if it can help it, so a minute later they are still good."""


class RecentCredentials:
    """Asks in a thread, once a minute, however many calls are signed meanwhile."""

    def __init__(self, session: AwsSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._asking = asyncio.Lock()
        self._known: ReadOnlyCredentials | None = None
        self._asked_at = 0.0

    async def get(self) -> "ReadOnlyCredentials":
        """Those to sign with now.

        Raises:
            NotAuthorized: the default chain has none.
        """
        if self._known is None or not 0 <= self._clock.now() - self._asked_at < FRESH_SECONDS:
            async with self._asking:
                if self._known is None or not 0 <= self._clock.now() - self._asked_at < FRESH_SECONDS:
                    self._known = await asyncio.to_thread(self._session.credentials)
                    self._asked_at = self._clock.now()
        return self._known

    async def renew(self, refused: "ReadOnlyCredentials") -> bool:
        """Whether there are others than these, which AWS has refused."""
        if self._known is refused:
            self._known = None
        return await self.get() != refused
