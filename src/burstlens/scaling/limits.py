"""How far the wish of any policy is followed: bounds, standby, launch rate and budget. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from burstlens.scaling.budget import Allowance
from burstlens.scaling.guardrails import patient
from burstlens.scaling.members import Member
from burstlens.scaling.observation import Cohort, Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, Removal


def without_standby(observation: Observation, standby: int) -> Observation:
    """What the policy is shown: not the instances that are kept ready beside what it wants.

    It would else take them for its own, and a policy that wants what is there would want more with each tick.

    Args:
        observation: of the whole fleet.
        standby: so many are hidden: those that run first, and of them the oldest, which have booted for certain.
    """
    if not standby:
        return observation
    running = max(0, observation.running - standby)
    pending = max(0, observation.pending - max(0, standby - observation.running))
    return replace(
        observation,
        running=running,
        pending=pending,
        busy=min(observation.busy, running),
        cohorts=_fewer(observation.cohorts, observation.running - running, observation.pending - pending),
    )


@dataclass(frozen=True, slots=True)
class Guarded:
    """How much capacity to make for, and what was changed on the way there, one clause each."""

    count: int
    clauses: tuple[str, ...] = ()


def guard(
    wanted: int | None, depth: int | None, pending: int, capacity: int, allowance: Allowance, options: ScalingOptions
) -> Guarded:
    """What the guardrails leave of what the policy wants. Placement keeps the cap by itself, over all that exists.

    Args:
        wanted: by the policy; None holds the fleet as it is, as far as the budget allows.
        depth: None when it is unknown.
        pending: instances that boot.
        capacity: instances that work or are on their way.
        allowance: what the budget leaves.
        options: the bounds.
    """
    clauses = []
    count = capacity
    if wanted is not None and depth is not None:
        count = bounded(wanted, options)
        if count != wanted:
            of = ", ".join(
                f"{name} of {getattr(options, name)}"
                for name in ("standby", "min_instances", "max_instances")
                if getattr(options, name)
            )
            clauses.append(f"{of} make it {count}")
        patience = patient(count, depth, pending, capacity)
        if patience != count:
            clauses.append(f"scale-in waits for {pending} that boot")
        count = patience
    if allowance.keep is not None and count > allowance.keep:
        clauses.append(f"{allowance.why}, so only {allowance.keep} can stay")
        count = allowance.keep
    return Guarded(count, tuple(clauses))


def bounded(wanted: int, options: ScalingOptions) -> int:
    """With the standby instances, but not below `min_instances` and never above `max_instances`."""
    return max(options.min_instances, min(options.max_instances, wanted + options.standby))


def rationed(plan: Plan, allowance: Allowance, options: ScalingOptions) -> Plan:
    """The plan with the launches that the rate and the budget allow, and with a clause for what is cut."""
    if not plan.size:
        return plan
    launches = allowance.of(plan.launches)
    left = sum(map(len, launches.values()))
    if left == plan.size:
        return plan
    by_rate = left == allowance.launches
    why = f"launches_per_minute is {options.launches_per_minute}" if by_rate else allowance.why
    cut = f"{why}: {left} of {plan.size} are launched"
    return replace(plan, launches=launches, shortfall=(*plan.shortfall, cut))


def frugal(plan: Plan, members: Sequence[Member], prices: Mapping[str, float], allowance: Allowance) -> Plan:
    """The plan with the drains that the budget cannot do without: busy ones finish what they hold, and take no more.

    Placement drains no busy one for being surplus. A fleet that is busy all the time would so never keep a budget.

    Args:
        plan: by placement.
        members: the fleet.
        prices: of an hour, by pool; the dearest go first.
        allowance: what the budget leaves.
    """
    if allowance.keep is None:
        return plan
    going = {removal.instance.id for removal in plan.drains}
    staying = [member for member in members if member.is_capacity and member.instance.id not in going]
    billed = sorted(
        (member.instance for member in staying if member.listed and prices.get(member.instance.pool)),
        key=lambda instance: -prices[instance.pool],
    )
    more = [Removal(instance, "cannot be paid for") for instance in billed[: max(0, len(staying) - allowance.keep)]]
    return replace(plan, drains=(*plan.drains, *more))


def _fewer(cohorts: Sequence[Cohort], running: int, booting: int) -> tuple[Cohort, ...]:
    left = {False: running, True: booting}
    kept = []
    for cohort in cohorts:
        gone = min(left[cohort.booting], cohort.count)
        left[cohort.booting] -= gone
        if gone < cohort.count:
            kept.append(replace(cohort, count=cohort.count - gone))
    return tuple(kept)
