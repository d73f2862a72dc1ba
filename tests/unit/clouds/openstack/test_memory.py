"""What is known of servers beyond what nova lists."""

from datetime import UTC, datetime

import pytest

from burstlens.clock import ManualClock
from burstlens.clouds.base import State
from burstlens.clouds.openstack.memory import DELETING_SECONDS, HISTORY_SECONDS, Memory
from burstlens.clouds.openstack.server import Server

pytestmark = pytest.mark.anyio


def server(number: str, fleet: str = "fleet-a", status: str = "ACTIVE") -> Server:
    return Server(
        id=number,
        name=f"app-tier-{number}",
        status=status,
        created=datetime(2025, 11, 24, tzinfo=UTC),
        description="launch 1",
        tags=frozenset({f"burstlens-fleet={fleet}"}),
    )


ONE, TWO, OTHER = server("1"), server("2"), server("3", "fleet-b")


def test_r7_what_was_seen_and_is_not_listed_is_asked_for_by_its_fleet() -> None:
    memory = Memory(ManualClock())
    memory.note([ONE, TWO, OTHER])

    assert memory.unlisted("fleet-a", [TWO]) == [ONE]


def test_what_has_ended_is_not_missed_again() -> None:
    memory = Memory(ManualClock())
    memory.note([ONE, TWO])
    memory.note([ONE.ended()])

    assert memory.unlisted("fleet-a", []) == [TWO]


async def test_r2_what_has_ended_is_known_by_its_launch_for_an_hour() -> None:
    clock = ManualClock()
    memory = Memory(clock)
    memory.note([ONE])
    memory.note_end(ONE)

    assert [(s.id, s.state) for s in memory.ended("launch 1")] == [("1", State.TERMINATED)]
    assert memory.ended("launch 2") == []
    await clock.advance(HISTORY_SECONDS)
    memory.note_end(TWO)
    assert [s.id for s in memory.ended("launch 1")] == ["2"]


async def test_what_was_asked_to_go_drains_whatever_nova_shows_for_a_while() -> None:
    clock = ManualClock()
    memory = Memory(clock)
    memory.note_delete("1")

    assert memory.as_asked(ONE).state is State.DRAINING
    assert memory.as_asked(TWO).state is State.RUNNING
    await clock.advance(DELETING_SECONDS)
    assert memory.as_asked(ONE).state is State.RUNNING
