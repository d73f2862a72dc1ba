"""What the autoscaler may still launch: the budget, as far as the ledger is known, and the launch rate."""

from collections import deque
from collections.abc import Sequence

from burstlens.clouds.base import Pool
from burstlens.scaling.budget import Allowance, Books, allowance
from burstlens.scaling.ledger import Ledger
from burstlens.scaling.members import Member
from burstlens.scaling.observer import Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.troubles import Troubles

_RATE_SECONDS = 60.0


class Purse:
    """Remembers the books of this tick, and the launches of the last minute."""

    def __init__(
        self, pools: Sequence[Pool], ledger: Ledger | None, options: ScalingOptions, troubles: Troubles
    ) -> None:
        """Without a ledger a budget is kept by books in memory, which a restart forgets."""
        self._pools = {pool.name: pool for pool in pools}
        limited = options.budget_per_hour is not None or options.budget_per_day is not None
        self._ledger = ledger or (Ledger() if limited else None)
        self._options = options
        self._troubles = troubles
        self._launched: deque[tuple[float, int]] = deque()
        self.books: Books | None = None
        """As of this tick; None when there are none, or they are not known."""

    async def look(self, sight: Sight, term: int) -> None:
        """Enter into the books what was seen; what goes wrong is noted."""
        if self._ledger is not None:
            keeping = self._ledger.keep(sight.at, sight.instances, self._pools, term)
            self.books = await self._troubles.attempt("what the fleet costs is unknown", keeping)

    def launched(self, count: int, now: float) -> None:
        """Remember that so many were launched, or may have been."""
        if count:
            self._launched.append((now, count))

    def allowance(self, members: Sequence[Member], now: float) -> Allowance:
        """What is left: of the rate by own memory or, after a restart, by when the clouds say that they launched."""
        while self._launched and self._launched[0][0] <= now - _RATE_SECONDS:
            self._launched.popleft()
        mine = sum(count for _, count in self._launched)
        listed = sum(member.instance.launched_at > now - _RATE_SECONDS for member in members)
        left = max(0, self._options.launches_per_minute - max(mine, listed))
        return allowance(
            self.books,
            [member.instance for member in members if member.is_capacity],
            [member.instance for member in members if not member.listed],
            self._pools,
            left,
            self._options,
        )
