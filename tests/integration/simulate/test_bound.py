"""The lower bound against everything there is: no policy, in no setting, that is in time costs less."""

import pytest

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.bounds import bound
from burstlens.simulate.comparison import sweep
from burstlens.simulate.standard import steady_world
from burstlens.simulate.study import Engine, Scenario, rows
from burstlens.simulate.workloads import arrivals_from


@pytest.mark.parametrize(
    ("arrivals", "deadline_seconds", "attainment", "private", "engine", "nearest"),
    [
        ("burst:100", 120.0, 0.99, 0, Engine.EVENT, 1.001),
        ("burst:100+burst:60:70", 60.0, 0.6, 0, Engine.EVENT, 1.5),
        ("ramp:0:6:300", 60.0, 0.99, 4, Engine.FLUID, 1.5),
        ("on-off:4:40:80:500", 120.0, 0.7, 2, Engine.FLUID, 2.0),
    ],
)
def test_nobody_who_is_in_time_pays_less_than_the_bound_and_somebody_comes_near(
    arrivals: str, deadline_seconds: float, attainment: float, private: int, engine: Engine, nearest: float
) -> None:
    options = ScalingOptions(max_instances=19, deadline_seconds=deadline_seconds, attainment=attainment)
    world = steady_world(19, private=private, private_price_per_hour=0.03)
    scenario = Scenario(arrivals, arrivals_from(arrivals, 1), world, options, engine)
    trials = [trial for trial in sweep(scenario) if not trial.changes]

    in_time = [row for _, row in rows([(scenario, trial) for trial in trials]) if row.attainment >= attainment]
    least = bound(scenario)

    assert least.status == "optimal"
    assert len(in_time) > 10
    assert least.money * (1 - 1e-6) < min(row.money for row in in_time) < least.money * nearest
    assert least.billed_seconds * (1 - 1e-6) < min(row.billed_seconds for row in in_time)
