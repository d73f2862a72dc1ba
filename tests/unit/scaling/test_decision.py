"""One decision as a value, as a line of the log and as JSON."""

from dataclasses import replace

import pytest

from burstlens.clouds.base import Billing, Instance, State
from burstlens.queues.base import Depth
from burstlens.scaling.decision import Census, Decision, Load, Placed, Presence
from burstlens.scaling.fleet import Fleet
from burstlens.scaling.observation import Observation, Prospect
from burstlens.scaling.placement import Plan, Removal
from burstlens.scaling.traffic import Traffic

FULL = Decision(
    at=1_700_000_000.25,
    policy="deadline",
    depth=Depth(visible=30, in_flight=6, delayed=1),
    census=Census(pending=2, running=4, draining=1, failed=1),
    wanted=9,
    why="37 have to be done within 30 s",
    launched=("app-tier-7", "app-tier-8"),
    drained=("app-tier-1",),
    terminated=("app-tier-2",),
    reasons=("app-tier-2: failed: no valid host",),
    held=("pool own is closed for now: quota",),
    presence=Presence(("app-tier-6",), listed=5, beating=4),
    pools={"own": 4, "ec2": 4},
    load=Load(arrived=12.0, total=140.0, oldest_seconds=11.5),
    prospects=(Prospect("ec2", 44.5, 0.48, 0.085, Billing(1.0, 60.0), room=3),),
    allowed=8,
    guarded=("budget per hour: 9 → 8",),
    placed=Placed({"ec2": 2}, drains=1, terminations=1),
    term=7,
    until=1_700_000_010.0,
)


def plain(decision: Decision) -> tuple[object, ...]:
    """All of it, also what is not compared."""
    return (decision, decision.at, decision.until, decision.prospects, decision.load and decision.load.oldest_seconds)


@pytest.mark.parametrize("decision", [FULL, Decision(5.0), replace(FULL, depth=Depth(), census=Census(), until=None)])
def test_json_brings_back_the_same_decision(decision: Decision) -> None:
    line = decision.to_json()

    assert "\n" not in line
    assert plain(Decision.from_json(line)) == plain(decision)


def test_json_leaves_out_what_has_its_default() -> None:
    assert Decision(5.0, policy="deadline", wanted=0).to_json() == '{"at":5.0,"policy":"deadline","wanted":0}'


def test_a_line_of_a_later_version_is_read_without_what_is_new() -> None:
    later = '{"at":5.0,"mood":"calm","census":{"running":3,"dreaming":1},"placed":{"moves":4}}'

    assert plain(Decision.from_json(later)) == plain(Decision(5.0, census=Census(running=3)))


@pytest.mark.parametrize("line", ["", "{", "[]", "5", '{"policy":"deadline"}', '{"at":"soon"}', b"\xff\xfe"])
def test_what_is_no_decision_is_refused(line: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a decision: "):
        Decision.from_json(line)


def test_decisions_are_equal_when_they_saw_wanted_and_did_the_same() -> None:
    load = replace(FULL.load or Load(), oldest_seconds=16.5)
    faster = (Prospect("ec2", 40.0, 0.5),)

    assert replace(FULL, at=9.0, until=None, load=load, prospects=faster) == FULL
    assert replace(FULL, wanted=10) != FULL
    assert replace(FULL, guarded=()) != FULL
    assert replace(FULL, pools={"own": 8}) != FULL


def test_the_line_of_the_log_is_flat_and_without_what_is_empty() -> None:
    assert Decision(1.0, "queue-ratio", Depth(6), Census(pending=3), 3, "six wait", held=("no answer",)).line() == {
        "policy": "queue-ratio",
        "visible": 6,
        "in_flight": 0,
        "delayed": 0,
        "pending": 3,
        "running": 0,
        "draining": 0,
        "failed": 0,
        "wanted": 3,
        "why": "six wait",
        "held": ["no answer"],
    }
    line = FULL.line()
    assert [line[name] for name in ("requested", "launches", "drains", "term", "allowed", "boot_seconds")] == [
        *(["app-tier-6"], {"ec2": 2}, 1, 7, 8, {"ec2": 44.5})
    ]


def test_what_is_finished_is_what_came_and_is_not_there_any_more() -> None:
    assert FULL.finished == 103
    assert replace(FULL, depth=Depth(200)).finished == 0
    assert replace(FULL, depth=None).finished is None


def test_the_parts_are_read_off_what_the_tick_knows() -> None:
    gone = Removal(Instance("i-1", "app-tier-1", "own", State.RUNNING, 0.0), "surplus and idle")
    plan = Plan({"own": ("app-tier-2", "app-tier-3"), "ec2": ("app-tier-4",)}, drains=(gone,), terminations=())
    fleet = Fleet(frozenset({"app-tier-9", "app-tier-8"}), frozenset({"app-tier-1"}), frozenset())
    traffic = Traffic().after(100.0, 5, 0).after(105.0, 7, 1)

    assert Placed.of(plan) == Placed({"own": 2, "ec2": 1}, drains=1)
    assert Presence.of(fleet) == Presence(("app-tier-8", "app-tier-9"), listed=1)
    load = Load.of(Observation(7, (5, 7), at=105.5, traffic=traffic))
    assert (load.arrived, load.total, load.oldest_seconds) == (3, 8, 5.5)
    assert Load.of(Observation(0, (0,), at=105.5)) == Load()
