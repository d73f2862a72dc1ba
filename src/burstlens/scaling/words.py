"""Decisions in words, for people. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from burstlens.messages import utc
from burstlens.scaling.decision import Decision

_NUMBERED = re.compile(r"^(?P<stem>.*-)(?P<number>[1-9]\d{0,8})$")
_REASON = re.compile(r"^(?P<name>app-tier-\d+): (?P<why>.*)$", re.DOTALL)


def story(decisions: Iterable[Decision]) -> Iterator[str]:
    """One line for each decision under one for each day, all in UTC."""
    for day, of_day in groupby(decisions, key=lambda decision: f"{utc(decision.at):%Y-%m-%d}"):
        yield f"{day}, UTC"
        for decision in of_day:
            yield f"{moment(decision)}  {sentence(decision)}"


def moment(decision: Decision) -> str:
    """When it was made and, if it went on to hold, until when; another day is named."""
    began, ended = (f"{utc(at):%H:%M:%S}" for at in (decision.at, decision.ended_at))
    day, last_day = (f"{utc(at):%Y-%m-%d}" for at in (decision.at, decision.ended_at))
    if (day, began) == (last_day, ended):
        return began
    return f"{began} to {ended}" + (f" on {last_day}" if last_day > day else "")


def sentence(decision: Decision) -> str:
    """What was seen, wanted, changed by guardrails, done and not done, in one line.

    Clouds and workers had their say in it, so nothing in it can steer a terminal.
    """
    clauses = [f"{_seen(decision)}. {_wish(decision)} → {_acts(decision)}"]
    if reasons := _reasons(decision.reasons):
        clauses.append(f"since {', '.join(reasons)}")
    if decision.held:
        clauses.append(f"held: {', '.join(decision.held)}")
    return "".join(letter if letter.isprintable() else " " for letter in "; ".join(clauses))


def names_in_short(names: Sequence[str]) -> str:
    """Names with their numbers in runs: app-tier-1..3, app-tier-7."""
    numbered = [(found["stem"], int(found["number"])) for name in names if (found := _NUMBERED.match(name))]
    others = [name for name in names if not _NUMBERED.match(name)]
    runs = []
    # Of numbers in a row, each is as far from its place as the one before.
    for _, run in groupby(enumerate(sorted(numbered)), key=lambda entry: (entry[1][0], entry[1][1] - entry[0])):
        members = [member for _, member in run]
        (stem, first), (_, last) = members[0], members[-1]
        runs.append(f"{stem}{first}..{last}" if last > first else f"{stem}{first}")
    return ", ".join([*runs, *sorted(others)])


def _seen(decision: Decision) -> str:
    """What is unknown is not named: `why` does so."""
    depth, census, load, presence = decision.depth, decision.census, decision.load, decision.presence
    parts = []
    if depth is not None:
        parts.append(f"{depth.visible + depth.delayed} wait")
        parts += [f"{depth.in_flight} under work"] if depth.in_flight else []
    if load is not None and load.arrived:
        parts.append(f"{load.arrived:g} came")
    if census is not None:
        kinds = {"run": census.running, "boot": census.pending, "drain": census.draining, "failed": census.failed}
        parts += [f"{count} {kind}" for kind, count in kinds.items() if count] or ["no instances"]
    if presence is not None and presence.requested:
        parts.append(f"{names_in_short(presence.requested)} not listed yet")
    return ", ".join(parts) or "nothing was seen"


def _wish(decision: Decision) -> str:
    if decision.wanted is None:
        return decision.why or "nothing is wanted"
    said = f"{decision.policy} wants {decision.wanted}" + (f": {decision.why}" if decision.why else "")
    if decision.guarded:
        said += f"; {', '.join(decision.guarded)}"
    elif decision.allowed not in {None, decision.wanted}:
        said += f"; guardrails make that {decision.allowed}"
    return said


def _acts(decision: Decision) -> str:
    acts = [
        f"{did} {names_in_short(names)}{where}"
        for did, names, where in (
            ("launched", decision.launched, _where(decision.placed.launches)),
            ("drained", decision.drained, ""),
            ("terminated", decision.terminated, ""),
        )
        if names
    ]
    if acts:
        return ", ".join(acts)
    planned = sum(decision.placed.launches.values()) + decision.placed.drains + decision.placed.terminations
    return "nothing of what was planned" if planned else "nothing to do"


def _where(launches: Mapping[str, int]) -> str:
    """The pools of the plan: names are not told apart by pool, and another one may have stepped in."""
    if len(launches) == 1:
        return f" in {next(iter(launches))}"
    planned = ", ".join(f"{count} in {pool}" for pool, count in launches.items())
    return f" (planned: {planned})" if planned else ""


def _reasons(reasons: Sequence[str]) -> list[str]:
    """Those of several instances together."""
    names: dict[str, list[str]] = {}
    for reason in reasons:
        if found := _REASON.match(reason):
            names.setdefault(found["why"], []).append(found["name"])
        else:
            names.setdefault(reason, [])
    return [f"{names_in_short(of)}: {why}" if of else why for why, of in names.items()]
