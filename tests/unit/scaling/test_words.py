"""Decisions as people read them."""

from dataclasses import replace

import pytest

from burstlens.queues.base import Depth
from burstlens.scaling.decision import Census, Decision, Load, Placed, Presence
from burstlens.scaling.words import moment, names_in_short, sentence, story

AT = 1_764_018_245.0
"""2025-11-24, 21:04:05 UTC."""

BURST = Decision(
    AT,
    policy="deadline",
    depth=Depth(visible=30, in_flight=6, delayed=1),
    census=Census(pending=2, running=4),
    wanted=9,
    why="37 requests, the oldest for 12 s",
    launched=("app-tier-9", "app-tier-7", "app-tier-8"),
    presence=Presence(("app-tier-6",), 5, 4),
    load=Load(12.0, 140.0),
    allowed=9,
    placed=Placed({"ec2": 3}),
)
IDLE = Decision(AT, policy="deadline", depth=Depth(), census=Census(), wanted=0, why="nothing waits", allowed=0)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (
            BURST,
            "31 wait, 6 under work, 12 came, 4 run, 2 boot, app-tier-6 not listed yet. "
            "deadline wants 9: 37 requests, the oldest for 12 s → launched app-tier-7..9 in ec2",
        ),
        (IDLE, "0 wait, no instances. deadline wants 0: nothing waits → nothing to do"),
        (
            replace(
                IDLE,
                census=Census(running=1, draining=2, failed=1),
                drained=("app-tier-3",),
                terminated=("app-tier-1", "app-tier-2"),
                reasons=(
                    *("app-tier-1: failed: no valid host", "app-tier-2: failed: no valid host"),
                    *("app-tier-3: surplus and idle", "cap of 4 leaves room for 0 of 2"),
                ),
            ),
            "0 wait, 1 run, 2 drain, 1 failed. deadline wants 0: nothing waits → drained app-tier-3, terminated "
            "app-tier-1..2; since app-tier-1..2: failed: no valid host, app-tier-3: surplus and idle, "
            "cap of 4 leaves room for 0 of 2",
        ),
        (
            Decision(AT, why="the fleet is unknown, so it stays as it is", held=("ec2 is unknown: a", "b")),
            "nothing was seen. the fleet is unknown, so it stays as it is → nothing to do; held: ec2 is unknown: a, b",
        ),
    ],
)
def test_a_decision_is_one_sentence_of_what_was_seen_wanted_and_done(decision: Decision, said: str) -> None:
    assert sentence(decision) == said


def test_what_guardrails_changed_is_said_before_what_was_done() -> None:
    assert "wants 9: 37 requests, the oldest for 12 s; budget per hour: 9 → 7, cap of 6: 7 → 6 → " in sentence(
        replace(BURST, allowed=6, guarded=("budget per hour: 9 → 7", "cap of 6: 7 → 6"))
    )
    assert "12 s; guardrails make that 8 → " in sentence(replace(BURST, allowed=8))


def test_launches_in_several_pools_name_the_plan() -> None:
    two = replace(BURST, placed=Placed({"own": 2, "ec2": 1}))

    assert sentence(two).endswith("→ launched app-tier-7..9 (planned: 2 in own, 1 in ec2)")


def test_a_plan_that_came_to_nothing_is_no_idleness() -> None:
    refused = replace(BURST, launched=(), held=("launch in pool ec2: no capacity",))

    assert sentence(refused).endswith("→ nothing of what was planned; held: launch in pool ec2: no capacity")
    assert sentence(replace(IDLE, placed=Placed(drains=1))).endswith("→ nothing of what was planned")
    assert sentence(replace(IDLE, placed=Placed(terminations=1))).endswith("→ nothing of what was planned")


def test_whatever_a_cloud_said_stays_one_line_without_control_characters() -> None:
    said = sentence(replace(IDLE, held=("ec2:\n\x1b[31mred\u202e",)))

    assert said.endswith("held: ec2:  [31mred ")


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ((), ""),
        (("app-tier-1",), "app-tier-1"),
        (("app-tier-10", "app-tier-2", "app-tier-1", "app-tier-9"), "app-tier-1..2, app-tier-9..10"),
        (("b-1", "a-2", "a-1"), "a-1..2, b-1"),
        (("mine", "app-tier-6", "another"), "app-tier-6, another, mine"),
    ],
)
def test_numbers_in_a_row_are_named_together(names: tuple[str, ...], short: str) -> None:
    assert names_in_short(names) == short


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (None, "21:04:05"),
        (AT + 0.5, "21:04:05"),
        (AT + 60, "21:04:05 to 21:05:05"),
        (AT + 86_400, "21:04:05 to 21:04:05 on 2025-11-25"),
    ],
)
def test_a_decision_that_held_says_until_when(until: float | None, said: str) -> None:
    assert moment(replace(IDLE, until=until)) == said


def test_each_day_has_its_own_heading() -> None:
    lines = list(story([IDLE, replace(IDLE, at=AT + 5), replace(IDLE, at=AT + 86_400)]))

    assert [line[:15] for line in lines] == [
        *("2025-11-24, UTC", "21:04:05  0 wai", "21:04:10  0 wai"),
        *("2025-11-25, UTC", "21:04:05  0 wai"),
    ]
