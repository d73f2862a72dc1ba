"""What a simulated cloud says when it disappoints; that it keeps to the port is in tests/contracts."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from burstlens.clouds.base import Instance, Spec, State
from burstlens.errors import CapacityUnavailable, Misconfigured, QuotaExceeded
from burstlens.simulate.cloud import SimulatedCloud
from burstlens.simulate.crew import Crew
from burstlens.simulate.site import Site
from burstlens.simulate.world import SimulatedPool, World
from support.simulated import PRIVATE, PUBLIC, pool_of

PLAIN = pool_of()
A_CALL = "call-1"


class At:
    """One cloud at a moment that the test sets."""

    def __init__(self, pool: SimulatedPool = PLAIN, list_lag_seconds: float = 0.0) -> None:
        self.now = 0.0
        self.site = Site(World(pools=(pool,), list_lag_seconds=list_lag_seconds))
        self.cloud = SimulatedCloud(self.site, "ec2", lambda: self.now, 1e9)

    def launch(self, *names: str, call: str = A_CALL) -> list[Instance]:
        return asyncio.run(self.cloud.launch(PUBLIC, names, Spec({}), fleet="fleet", token=call))

    def listed(self) -> list[tuple[str, State]]:
        return [(each.name, each.state) for each in asyncio.run(self.cloud.instances("fleet"))]

    def terminate(self, born: Sequence[Instance]) -> None:
        asyncio.run(self.cloud.terminate([each.id for each in born]))


def test_it_lists_late_what_was_launched_and_what_ended() -> None:
    at = At(list_lag_seconds=10.0)
    born = at.launch("app-tier-1")
    assert at.listed() == []

    at.now = 10.0
    assert at.listed() == [("app-tier-1", State.RUNNING)]

    at.terminate(born)
    at.site.forget(at.now)
    at.now = 19.0
    assert at.listed() == [("app-tier-1", State.RUNNING)]
    at.now = 20.0
    assert at.listed() == []


def test_what_is_pending_is_listed_so() -> None:
    at = At(replace(PLAIN, pending_seconds=30.0))
    (born,) = at.launch("app-tier-1")
    assert (born.state, born.launched_at) == (State.PENDING, 1e9)

    at.now = 30.0
    assert at.listed() == [("app-tier-1", State.RUNNING)]


def test_r12_a_quota_gives_what_is_left_and_then_says_so() -> None:
    at = At(replace(PLAIN, quota=2))
    assert len(at.launch("a", "b", "c")) == 2

    with pytest.raises(QuotaExceeded, match="quota of public"):
        at.launch("d", call="call-2")
    assert len(at.listed()) == 2


def test_a_quota_has_room_again_when_one_has_ended() -> None:
    at = At(replace(PLAIN, quota=1))
    at.terminate(at.launch("a"))

    assert [each.name for each in at.launch("b", call="call-2")] == ["b"]


def test_r12_no_capacity_is_another_error_and_comes_as_often_as_it_is_told_to() -> None:
    at = At(replace(PLAIN, capacity_error_share=0.25))

    def refused(call: int) -> bool:
        try:
            at.launch(f"app-tier-{call}", call=f"call-{call}")
        except CapacityUnavailable:
            return True
        return False

    assert sum(map(refused, range(400))) == pytest.approx(100, abs=30)


def test_a_call_that_is_repeated_meets_no_refusal() -> None:
    at = At(replace(PLAIN, quota=1))
    (born,) = at.launch("app-tier-1")

    assert [each.id for each in at.launch("app-tier-1")] == [born.id]


def test_it_knows_its_own_pools_only() -> None:
    at = At()
    at.launch("app-tier-1")
    other = SimulatedCloud(at.site, "openstack", lambda: at.now, 1e9)

    assert asyncio.run(other.instances("fleet")) == []
    with pytest.raises(Misconfigured, match="no pool private on ec2"):
        asyncio.run(at.cloud.launch(PRIVATE, ["a"], Spec({}), fleet="fleet", token=A_CALL))


def test_what_a_terminated_instance_holds_goes_back_to_the_queue() -> None:
    at = At(pool_of(boot=0.0, service=10.0))
    crew = Crew(at.site, np.array([0.0]), {"public": [10.0]})
    born = at.launch("app-tier-1")
    crew.serve(5.0)
    assert (crew.waiting, crew.working()) == (0, 1)

    at.now = 5.0
    at.terminate(born)
    crew.serve(6.0)
    assert (crew.waiting, crew.working()) == (1, 0)
