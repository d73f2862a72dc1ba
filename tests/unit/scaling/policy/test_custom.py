"""Policies that are not burstlens's own (R17)."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from burstlens.scaling.observation import Observation, Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Explaining, Policy
from burstlens.scaling.policy.custom import custom_names, find_custom

LATENCY = '''
"""Scales on latency: as many as answer what waits within the deadline."""
import math


class Latency:
    def __init__(self, options):
        self.deadline_seconds = options.deadline_seconds

    def desired(self, observation):
        (pool,) = observation.prospects
        return math.ceil(observation.depth * pool.service_seconds / self.deadline_seconds)

    def explain(self, observation):
        return f"{observation.depth} within {self.deadline_seconds:g} s"


class Fussy:
    def __init__(self, options):
        raise ValueError("no\\n  mood")


class Deaf:
    def __init__(self, options):
        pass


NUMBER = 5
'''
METADATA = "Metadata-Version: 2.1\nName: my-fleet\nVersion: 1.0\n"
ENTRY_POINTS = "[burstlens.policies]\nlatency = my_fleet:Latency\nbroken = my_fleet:Missing\n"
SEEN = Observation(100, (100,), prospects=(Prospect("ec2", 45.0, 0.6),))


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installed as pip would: a module, and what it offers."""
    (tmp_path / "my_fleet.py").write_text(LATENCY)
    info = tmp_path / "my_fleet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_fleet", None)


def made(name: str) -> Policy:
    make: Callable[[ScalingOptions], Policy] | None = find_custom(name)
    assert make is not None
    return make(ScalingOptions(deadline_seconds=20))


@pytest.mark.parametrize("name", ["my_fleet:Latency", "latency"])
def test_r17_a_policy_of_one_s_own_may_scale_on_latency(name: str) -> None:
    policy = made(name)

    assert policy.desired(SEEN) == 3
    assert isinstance(policy, Explaining)
    assert policy.explain(SEEN) == "100 within 20 s"


def test_r17_a_class_method_may_make_it() -> None:
    name = "burstlens.scaling.policy.target_tracking:TargetTracking.from_options"

    assert made(name).desired(SEEN) == 10


def test_the_names_of_installed_policies_are_known() -> None:
    assert custom_names() == ["broken", "latency"]


def test_nobody_has_it() -> None:
    assert find_custom("guess") is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("my_fleet:Missing", "my_fleet:Missing cannot be imported: module 'my_fleet' has no attribute 'Missing'"),
        ("my_fleet:Fussy", "my_fleet:Fussy makes no policy from ScalingOptions: no mood"),
        ("broken", "my_fleet:Missing cannot be imported"),
        ("no_such_fleet:Latency", "no_such_fleet:Latency cannot be imported: No module named 'no_such_fleet'"),
        ("my_fleet:NUMBER", "my_fleet:NUMBER is nothing that makes a policy"),
        ("my_fleet:Deaf", r"my_fleet:Deaf gives Deaf, which has no desired\(observation\)"),
    ],
)
def test_one_that_cannot_be_used_is_refused_with_what_to_do(name: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=f"^scaling.policy: {why}"):
        made(name)


@pytest.mark.parametrize("name", ["my_fleet:", ":Latency", "my fleet:Latency"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"^scaling.policy: '{name}' is no module:attribute$"):
        made(name)
