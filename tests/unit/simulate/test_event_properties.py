"""What holds in every simulated world, however unlucky: nothing is lost, nothing is paid twice, the cap holds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.event import simulate
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.world import Duration, SimulatedPool, World
from support.simulated import PRIVATE, PUBLIC, Scripted

SERVICE_SECONDS = 2.0


def pools(name: str) -> st.SearchStrategy[SimulatedPool]:
    pool = replace({"private": PRIVATE, "public": PUBLIC}[name], cap=3)
    return st.builds(
        SimulatedPool,
        st.just(pool),
        pending_seconds=st.sampled_from([0.0, 7.0]),
        boot=st.builds(Duration, st.floats(0.0, 60.0), st.sampled_from([0.0, 0.4]), st.just(0.0), st.just(90.0)),
        service=st.just(Duration(SERVICE_SECONDS)),
        capacity_error_share=st.sampled_from([0.0, 0.3]),
        quota=st.sampled_from([None, 1, 2]),
        interruptions_per_hour=st.sampled_from([0.0, 10.0]),
        notice_seconds=st.sampled_from([0.0, 1.0, 120.0]),
    )


worlds = st.builds(
    World,
    pools=st.tuples(pools("private"), pools("public")),
    list_lag_seconds=st.sampled_from([0.0, 3.0, 12.0]),
    depth_lag_seconds=st.sampled_from([0.0, 2.0, 11.0]),
    depth_error_share=st.sampled_from([0.0, 0.2]),
    heartbeat_seconds=st.sampled_from([2.0, 5.0]),
    seed=st.integers(0, 1000),
)
arrivals = st.lists(st.floats(0.0, 200.0), min_size=1, max_size=40).map(lambda offsets: np.array(sorted(offsets)))


def whims(seed: int) -> Scripted:
    """Any size of the fleet at any tick, and none that is too small to go on while there is work."""
    rng = np.random.default_rng(seed)

    def answer(seen: Observation) -> int:
        return max(int(rng.integers(0, 8)) if seen.at % 60 < 10 else seen.instances, min(1, seen.depth))

    return Scripted(answer)


@settings(max_examples=40, deadline=None)
@given(arrivals, worlds, st.integers(1, 5), st.integers(0, 1000))
def test_nothing_is_lost_nothing_is_billed_twice_and_the_cap_holds(
    offsets: Floats, world: World, cap: int, seed: int
) -> None:
    outcome = simulate(offsets, world, ScalingOptions(max_instances=cap), whims(seed))

    assert outcome.requests == len(offsets) == len(outcome.latencies) + outcome.unanswered
    assert outcome.unanswered == 0
    assert outcome.latencies[0] >= SERVICE_SECONDS - 1e-9
    assert outcome.peak <= cap
    assert outcome.billed_seconds >= SERVICE_SECONDS * outcome.requests
    assert_consistent(outcome, world)


def assert_consistent(outcome: Outcome, world: World) -> None:
    timeline = outcome.timeline
    for each in world.pools:
        there = timeline.instances[each.pool.name]
        assert there.max() <= min(each.pool.cap, each.quota or each.pool.cap)
    there_in_all = np.sum(list(timeline.instances.values()), axis=0)
    assert there_in_all.max() <= outcome.peak
    assert timeline.arrivals.sum() == outcome.requests
    assert (np.diff(timeline.money) >= -1e-12).all()
    assert timeline.money[-1] == pytest.approx(outcome.money)
    # No instance costs more than if it had been billed alone, for as long as it was listed at some tick.
    present = 5.0 * there_in_all.sum()
    assert outcome.billed_seconds <= present + outcome.launches * (60.0 + 5.0)
