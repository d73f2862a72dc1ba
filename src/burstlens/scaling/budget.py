"""What the fleet has cost, what it is bound to cost, and what may still be spent. Pure. Money has the prices' unit."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from burstlens.clouds.base import Instance, Pool, State
from burstlens.scaling.options import ScalingOptions

HOUR_SECONDS, DAY_SECONDS = 3600.0, 86_400.0
_SLOT_SECONDS = 60.0
_RETURN_SECONDS = 600.0
"""A cloud may leave an instance out of a list; one that is back within this time was never gone."""
NOTICE_SECONDS = 60.0
"""An instance that is to go costs for so long still: it finishes what it holds, and its cloud takes it away."""


@dataclass(frozen=True, slots=True)
class Account:
    """The bill of one instance, with the price and the terms that its pool had when it was opened."""

    pool: str
    price_per_hour: float
    minimum_seconds: float
    increment_seconds: float
    since: float
    """Billed from then on, in seconds since the epoch: the launch, or when it was last seen pending."""
    ended_at: float | None = None

    @property
    def rate(self) -> float:
        """Money for each second."""
        return self.price_per_hour / HOUR_SECONDS

    def paid_until(self, now: float) -> float:
        """What has to be paid for even if it ends now: the minimum, and every increment that was begun."""
        lived = max(0.0, (now if self.ended_at is None else self.ended_at) - self.since)
        if self.increment_seconds > 0:
            lived = math.ceil(lived / self.increment_seconds) * self.increment_seconds
        return self.since + max(self.minimum_seconds, lived)

    def bound(self, now: float, told_at: float) -> float:
        """What it will cost after `now` if it is told to go at `told_at`; after its end, what is left to pay."""
        if self.ended_at is not None:
            return self.rate * max(0.0, self.paid_until(now) - now)
        gone_at = told_at + NOTICE_SECONDS
        return self.rate * (max(self.paid_until(told_at), gone_at) - now)


@dataclass(frozen=True, slots=True)
class Books:
    """What was spent in each minute of the last 24 hours, and the open bills; a value, made anew by `after`."""

    at: float = 0.0
    """All costs until then are in `slots`, in seconds since the epoch; 0 before the first entry."""
    slots: Mapping[int, float] = field(default_factory=dict)
    """Money by minute since the epoch."""
    accounts: Mapping[str, Account] = field(default_factory=dict)
    """By the instance's id; of one that is gone, until what it has to pay for is over, and it does not come back."""

    def after(self, now: float, instances: Iterable[Instance], pools: Mapping[str, Pool]) -> "Books":
        """The books as of `now`.

        An instance that is not in them is billed from its launch, or not before now while it is pending. One that is no
        longer there ended now at the latest. What is billed by a pool that is gone from the settings stays as it was;
        one that is first seen in such a pool costs nothing, since nobody knows its price.

        Args:
            now: seconds since the epoch; a clock that was set back stands still here until it has caught up.
            instances: all that exist; of a cloud that does not answer, what it listed last.
            pools: by name.
        """
        now = max(now, self.at)
        there = {instance.id: instance for instance in instances}
        accounts = dict(self.accounts)
        slots = {slot: money for slot, money in self.slots.items() if (slot + 1) * _SLOT_SECONDS > now - DAY_SECONDS}
        for key, instance in there.items():
            account = accounts.get(key)
            if account is None:
                account = accounts[key] = _opened(instance, pools.get(instance.pool))
                _spread(slots, account, account.since, min(self.at, now))
            elif account.ended_at is not None:
                _spread(slots, account, max(account.since, account.paid_until(now)), self.at)
                account = accounts[key] = replace(account, ended_at=None)
            if instance.state is State.PENDING and account.since < now:
                accounts[key] = replace(account, since=now)
        for key in accounts.keys() - there.keys():
            if accounts[key].ended_at is None:
                accounts[key] = replace(accounts[key], ended_at=now)
        for key, account in list(accounts.items()):
            paid_until = account.paid_until(now)
            _spread(slots, account, max(account.since, self.at), min(now, paid_until))
            if account.ended_at is not None and max(paid_until, account.ended_at + _RETURN_SECONDS) <= now:
                del accounts[key]
        return Books(now, slots, accounts)

    def spent(self, seconds: float) -> float:
        """What was paid for in the last so many seconds before `at`; a minute that is half in it counts whole."""
        first = int((self.at - seconds) // _SLOT_SECONDS)
        return sum(money for slot, money in self.slots.items() if slot >= first)

    @property
    def bound(self) -> float:
        """What all open bills will still come to if everybody is told to go now."""
        return sum(account.bound(self.at, self.at) for account in self.accounts.values())

    def promised(self, costs: Mapping[str, float]) -> float:
        """What is set aside beyond `bound`, for instances that have not cost yet what a launch in their pool does."""
        return sum(
            max(0.0, costs.get(each.pool, 0.0) - each.rate * (self.at - each.since) - each.bound(self.at, self.at))
            for each in self.accounts.values()
            if each.ended_at is None
        )

    def another_tick(self, key: str, tick_seconds: float) -> float:
        """What it costs to tell this instance a tick later; nothing while that is paid for anyway."""
        account = self.accounts[key]
        return account.bound(self.at, self.at + tick_seconds) - account.bound(self.at, self.at)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be launched, and how much of the fleet can be kept."""

    launches: int
    """So many instances at most."""
    money: float = math.inf
    """That may be promised to launches; negative when what exists is too much already."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What a launch costs at least, by pool."""
    keep: int | None = None
    """How much of the capacity can be paid for; None is all of it."""
    why: str = ""
    """What limits the money, in words; empty without a budget."""

    def of(self, launches: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """The launches, in their order, that stay within the allowance; pools of which nothing is left are left out."""
        places, money = max(0, self.launches), self.money
        kept: dict[str, tuple[str, ...]] = {}
        for pool, names in launches.items():
            cost = self.costs.get(pool, 0.0)
            count = min(len(names), places)
            if cost > 0 and math.isfinite(money):
                count = min(count, max(0, int(money / cost)))
            if count:
                kept[pool] = names[:count]
                places -= count
                money -= count * cost
        return kept


def allowance(
    books: Books | None,
    capacity: Sequence[Instance],
    asked: Sequence[Instance],
    pools: Mapping[str, Pool],
    launches: int,
    options: ScalingOptions,
) -> Allowance:
    """What the budget leaves (R16): in no 60 minutes and no 24 hours is more spent than the settings allow.

    Whatever exists is counted with what it will cost if it is told to go now, and stays while one more tick of it can
    be paid for, too; a launch is counted with what it costs if it is told to go once it has booted. Money that was
    spent an hour or a day ago comes free when its minute is over.

    Args:
        books: as of now; None when they are unknown.
        capacity: instances that work or are on their way, `asked` included.
        asked: those of the capacity that no cloud lists yet, and so are in no books.
        pools: by name.
        launches: what the launch rate leaves.
        options: the budgets.
    """
    budgets = {"hour": (options.budget_per_hour, HOUR_SECONDS), "day": (options.budget_per_day, DAY_SECONDS)}
    limits = [(name, limit, seconds) for name, (limit, seconds) in budgets.items() if limit is not None]
    if not limits:
        return Allowance(launches)
    if books is None:
        return Allowance(launches, 0.0, dict.fromkeys(pools, math.inf), why="what was spent is not known")
    left, why = min(
        (limit - books.spent(seconds), f"budget_per_{name} of {limit:g} is used up") for name, limit, seconds in limits
    )
    costs = {name: _cost(pool, options) for name, pool in pools.items()}
    left -= books.bound + sum(costs.get(instance.pool, 0.0) for instance in asked)
    ticks = sorted(
        books.another_tick(instance.id, options.tick_seconds) for instance in capacity if instance.id in books.accounts
    )
    payable = sum(total <= max(0.0, left) for total in itertools.accumulate(ticks))
    keep = None if payable == len(ticks) else payable + len(capacity) - len(ticks)
    money = left - sum(ticks) - books.promised(costs)
    return Allowance(launches, money, costs, keep, why)


def _cost(pool: Pool, options: ScalingOptions) -> float:
    """What one launch costs if it is told to go as soon as it has booted."""
    seconds = max(pool.billing.minimum_seconds, options.boot_seconds + options.tick_seconds + NOTICE_SECONDS)
    if pool.billing.increment_seconds > 0:
        seconds = math.ceil(seconds / pool.billing.increment_seconds) * pool.billing.increment_seconds
    return pool.price_per_hour / HOUR_SECONDS * seconds


def _opened(instance: Instance, pool: Pool | None) -> Account:
    price, billing = (0.0, Pool("", "", 0).billing) if pool is None else (pool.price_per_hour, pool.billing)
    return Account(instance.pool, price, billing.minimum_seconds, billing.increment_seconds, instance.launched_at)


def _spread(slots: dict[int, float], account: Account, start: float, end: float) -> None:
    """Enter what the account costs from `start` to `end` into the minutes that it falls into."""
    if end <= start or not account.price_per_hour:
        return
    first, last = int(start // _SLOT_SECONDS), int(end // _SLOT_SECONDS)
    for slot in range(first, last + 1):
        seconds = min(end, (slot + 1) * _SLOT_SECONDS) - max(start, slot * _SLOT_SECONDS)
        if seconds > 0:
            slots[slot] = slots.get(slot, 0.0) + seconds * account.rate
