"""`burstlens replay`: from the log of a deployment, or from lines that were kept."""

from pathlib import Path

import pytest

from burstlens.clock import ManualClock
from burstlens.queues.base import Depth
from burstlens.scaling.decision import Census, Decision, Load
from burstlens.scaling.decision_log import DecisionLog
from burstlens.scaling.observation import Prospect
from support.commands import Done, Home
from support.deployments import lane_of

pytestmark = pytest.mark.anyio

AT = 1_764_018_245.0


def decided(after_seconds: float, depth: int, booting: int, running: int, launched: int = 0) -> Decision:
    return Decision(
        AT + after_seconds,
        depth=Depth(depth),
        census=Census(pending=booting, running=running),
        launched=tuple(f"app-tier-{number}" for number in range(launched)),
        pools={"local": booting + running} if booting + running else {},
        load=Load(total=40.0 if after_seconds else 0.0),
        prospects=(Prospect("local", 2.0, 0.5, room=2 - booting - running),),
    )


RUN = [
    *(decided(0, 0, 0, 0), decided(1, 40, 0, 0, launched=2), decided(2, 40, 2, 0)),
    *(decided(3 + tick, 40 - 4 * tick, 0, 2) for tick in range(11)),
    *(decided(14 + tick, 0, 0, 2) for tick in range(8)),
    decided(22, 0, 0, 0),
]
"""What a fleet of two does with 40 requests of half a second, a tick each second."""


def figures(out: str) -> dict[str, list[str]]:
    """The last three words of each line, by its first."""
    return {words[0]: words[-3:] for line in out.splitlines()[2:] if (words := line.split())}


@pytest.fixture
def settings(home: Home) -> Path:
    file = home.folder / "burstlens.toml"
    file.write_text(f"data = '{home.data}'\n[scaling]\nmax_instances = 2\ntick_seconds = 1\nwindow = 6\n")
    return file


def tells_of_the_run(done: Done) -> bool:
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("40 requests in 22 s, a tick each 1.00 s, queue-ratio\n")
    told = figures(done.out)
    assert told["launches"] == told["most"] == ["2", "2", "+0%"]
    assert told["instance-seconds"][0] == "42"
    assert abs(float(told["instance-seconds"][1]) - 42) <= 8
    assert told["seconds"][0] == "12"
    return abs(float(told["seconds"][1]) - 12) <= 2


async def test_a_run_of_this_deployment_is_predicted(home: Home, settings: Path) -> None:
    clock = ManualClock(AT)
    async with lane_of(settings) as lane:
        log = DecisionLog(lane.buckets.fleet, clock)
        for decision in RUN:
            await log.append(decision)
        await log.flush()

    assert tells_of_the_run(await home.run("replay"))


async def test_lines_that_were_kept_are_predicted(home: Home, settings: Path) -> None:
    kept = settings.with_name("run.jsonl")
    kept.write_text("\n".join(decision.to_json() for decision in RUN))

    assert tells_of_the_run(await home.run("replay", kept))


async def test_without_decisions_there_is_nothing_to_replay(home: Home) -> None:
    done = await home.run("replay")

    assert done.code == 1
    assert done.err == "burstlens: a replay needs at least two decisions that saw the queue and the fleet; see --last\n"


async def test_what_is_no_file_is_said_in_one_line(home: Home) -> None:
    done = await home.run("replay", "missing.jsonl")

    assert (done.code, done.err) == (1, "burstlens: missing.jsonl: cannot be read: No such file or directory\n")
