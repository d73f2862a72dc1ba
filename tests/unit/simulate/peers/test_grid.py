"""The peers' settings."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.simulate.outcome import Outcome, Timeline
from burstlens.simulate.peers.grid import GRID, PEERS, Peer, tune
from burstlens.simulate.world import World
from support.looks import look

WORLD = World()
OPTIONS = ScalingOptions(max_instances=19)


def test_every_peer_is_tried_and_every_setting_has_its_own_name() -> None:
    assert set(GRID) == {
        *("seed", "keda", "ec2-target-tracking", "skyserve-rate", "skyserve-queue"),
        *("ray-serve", "knative", "dask", "delayed-off"),
    }
    assert len({peer.name for peer in PEERS}) == len(PEERS) == sum(len(settings) for settings in GRID.values())


def walk(policy: Policy, depths: list[int]) -> list[int]:
    """What is wanted at each depth, where what is new boots for one tick."""
    wanted: list[int] = []
    total, running = 0.0, 0
    for tick, depth in enumerate(depths):
        total += depth
        size = wanted[-1] if wanted else 0
        pending = max(0, size - running)
        wanted.append(
            policy.desired(look(1_000.0 + 5 * tick, depth, running=size - pending, pending=pending, total=total))
        )
        running = size
    return wanted


@pytest.mark.parametrize("name", GRID)
@settings(max_examples=25)
@given(depths=st.lists(st.integers(0, 5_000), min_size=1, max_size=30), least=st.integers(0, 3))
def test_whatever_comes_each_setting_stays_within_the_options_and_begins_each_run_afresh(
    name: str, depths: list[int], least: int
) -> None:
    options = ScalingOptions(min_instances=least, max_instances=19)
    for peer in GRID[name]:
        wanted = walk(peer.policy(WORLD, options), depths)
        assert all(max(least, peer.minimum) <= count <= 19 for count in wanted)
        assert walk(pickle.loads(pickle.dumps(peer)).policy(WORLD, options), depths) == wanted  # noqa: S301 (own bytes)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_setting_serves_a_backlog_that_lasts_and_leaves_an_empty_queue(peer: Peer) -> None:
    policy = peer.policy(WORLD, OPTIONS)
    assert max(walk(policy, [600] * 120)) > peer.minimum
    assert walk(policy, [0] * 500)[-1] <= max(1, peer.minimum)


def test_tuning_tries_every_setting_on_the_scenario() -> None:
    empty = np.zeros(0)
    timeline = Timeline(at=empty, arrivals=empty, backlog=empty, instances={}, money=empty)

    def run(policy: Policy) -> Outcome:
        size = policy.desired(look(0, 100))
        return Outcome("x", 1, np.array([10.0]), 60.0, float(size), size, size, 0, timeline)

    scores = tune(run, WORLD, OPTIONS, [5.0, 30.0])
    assert [found.name for found in scores] == [peer.name for peer in PEERS]
    assert {found.attainment[30.0] for found in scores} == {1.0}
    assert next(found for found in scores if found.name == "delayed-off:w0-p30").money == 4
