"""A plan as the part of burstlens.toml that carries it out, with the reasons beside it."""

from burstlens.clouds.base import Pool
from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.plan import Plan, Tried
from burstlens.simulate.table import money, share

LAUNCH_TEMPLATE = "lt-00000000000000000"
IMAGE, FLAVOR = "burstlens", "m1.small"
"""Stand for what only the deployment knows; `burstlens deploy` writes its own."""


def fragment(plan: Plan, tried: Tried) -> str:
    """The sections `[scaling]` and `[[pools]]`, ready for `burstlens.settings.load_settings`."""
    row = tried.row
    head = [
        f"# For {_line(plan.scenario.name)}, by `burstlens plan`.",
        f"# Expected: {share(row.attainment)} within {plan.scenario.options.deadline_seconds:g} s "
        f"for {money(plan.per_day(tried))} a day.",
    ]
    pools = [each.pool for each in tried.candidate.pools]
    sections = [_scaling(plan, tried), *(_pool(pool, tried, number) for number, pool in enumerate(pools))]
    return "\n".join([*head, "", "\n\n".join(sections), ""])


def _scaling(plan: Plan, tried: Tried) -> str:
    options, candidate = plan.scenario.options, tried.candidate
    lines = [
        ("policy", f'"{candidate.policy}"', "the cheapest of those tried that is in time"),
        ("tick_seconds", f"{options.tick_seconds:g}", "between two looks at queue and fleet"),
        ("max_instances", f"{candidate.max_instances}", f"the cap; {tried.row.peak} were the most at once"),
    ]
    if candidate.min_instances:
        lines.append(("min_instances", f"{candidate.min_instances}", "never fewer, whatever comes"))
    if candidate.standby:
        lines.append(("standby", f"{candidate.standby}", "kept ready beyond what the policy wants"))
    lines += _of_policy(candidate.policy, options, candidate.changes(options))
    lines += [
        ("boot_seconds", f"{options.boot_seconds:g}", "assumed until the first boot is measured"),
        ("service_seconds", f"{options.service_seconds:g}", "assumed until the first request is measured"),
    ]
    if plan.budget_per_day is not None:
        lines.append(("budget_per_day", f"{plan.budget_per_day:g}", "spend no more in any 24 hours"))
    return _section("[scaling]", lines)


def _of_policy(policy: str, options: ScalingOptions, changes: dict[str, object]) -> list[tuple[str, str, str]]:
    """What the policy alone reads."""
    if policy == "deadline":
        return [
            ("deadline_seconds", f"{options.deadline_seconds:g}", "from a request's arrival to its answer"),
            ("attainment", f"{options.attainment:g}", "the share of requests that is to meet it"),
        ]
    if policy == "target-tracking":
        return [("target_backlog", f"{changes['target_backlog']:g}", "deadline / seconds of a request")]
    return [
        ("scale_out_divisor", f"{options.scale_out_divisor}", "requests for each instance on the way up"),
        ("scale_in_divisor", f"{options.scale_in_divisor}", "and on the way down"),
        ("window", f"{options.window}", "ticks that the wish for fewer has to hold"),
    ]


def _pool(pool: Pool, tried: Tried, order: int) -> str:
    instances = tried.row.timeline.instances.get(pool.name)
    peak = 0 if instances is None else int(instances.max(initial=0))
    lines = [
        ("name", f'"{pool.name}"', ""),
        ("cloud", f'"{pool.cloud}"', ""),
        ("cap", f"{min(pool.cap, tried.candidate.max_instances)}", f"{peak} were the most at once"),
        ("order", f"{order}", "the lower is filled first"),
        ("price_per_hour", f"{pool.price_per_hour:g}", ""),
        ("billing_increment_seconds", f"{pool.billing.increment_seconds:g}", ""),
        ("billing_minimum_seconds", f"{pool.billing.minimum_seconds:g}", ""),
    ]
    if pool.cloud == "ec2":
        lines.append(("launch_template", f'"{LAUNCH_TEMPLATE}"', "yours: `burstlens deploy aws up` makes it"))
    if pool.cloud == "openstack":
        lines.append(("image", f'"{IMAGE}"', "yours: `burstlens image bake` makes it"))
        lines.append(("instance_types", f'["{FLAVOR}"]', "a flavor of your cloud"))
    return _section("[[pools]]", lines)


def _section(header: str, lines: list[tuple[str, str, str]]) -> str:
    """Settings with their comments in one column."""
    pairs = [(f"{name} = {value}", comment) for name, value, comment in lines]
    width = max(len(pair) for pair, _ in pairs)
    return "\n".join([header, *(f"{pair:{width}}  # {comment}" if comment else pair for pair, comment in pairs)])


def _line(text: str) -> str:
    """The text without what would end a comment."""
    return " ".join(text.split())
