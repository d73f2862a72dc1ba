"""`burstlens explain` over fleet buckets in files and on S3."""

import json

import pytest

from burstlens.clock import ManualClock
from burstlens.queues.base import Depth
from burstlens.scaling.decision import Census, Decision, Placed
from burstlens.scaling.decision_log import DecisionLog
from support.aws_doubles import Doubles
from support.commands import Home
from support.deployments import DEPLOYMENTS, lane_of, written_settings

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

AT = 1_764_018_245.0
"""2025-11-24, 21:04:05 UTC."""


def decided(at: float, wanted: int, **values: object) -> Decision:
    return Decision(at, "queue-ratio", Depth(2 * wanted), Census(), wanted, f"depth {2 * wanted}", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", DEPLOYMENTS)
async def test_the_last_decisions_are_told_in_words_and_as_json(home: Home, doubles: Doubles, where: str) -> None:
    config = written_settings(home.folder, where, doubles)
    clock = ManualClock(AT)
    async with lane_of(config) as lane:
        log = DecisionLog(lane.buckets.fleet, clock)
        launch = decided(AT + 5, 2, launched=("app-tier-1", "app-tier-2"), placed=Placed({"ec2": 2}))
        for decision in (decided(AT, 0), launch, decided(AT + 10, 3), decided(AT + 15, 3)):
            await log.append(decision)
        await log.flush()

    told = await home.run("explain", "--last", "2")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        "2025-11-24, UTC",
        "21:04:10  4 wait, no instances. queue-ratio wants 2: depth 4 → launched app-tier-1..2 in ec2",
        "21:04:15 to 21:04:20  6 wait, no instances. queue-ratio wants 3: depth 6 → nothing to do",
    ]

    lines = (await home.run("explain", "--config", config, "--json")).out.splitlines()
    assert [Decision.from_json(line).wanted for line in lines] == [0, 2, 3]
    assert json.loads(lines[1])["launched"] == ["app-tier-1", "app-tier-2"]


async def test_without_decisions_it_says_where_it_looked_and_what_to_do(home: Home) -> None:
    done = await home.run("explain")

    fleet = (home.data / "buckets" / "fleet").as_uri()
    said = f"no decisions yet in {fleet}: has `burstlens autoscale` run with these settings?\n"
    assert (done.code, done.out, done.err) == (0, said, "")


async def test_without_decisions_there_is_no_json(home: Home) -> None:
    done = await home.run("explain", "--json")

    assert (done.code, done.out) == (0, "")
