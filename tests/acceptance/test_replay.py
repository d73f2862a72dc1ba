"""The simulator against the whole system: a run of `burstlens demo`, predicted from its decision log."""

import asyncio

import pytest

from burstlens.demonstration import settings_for
from burstlens.scaling.decision_log import decisions_in
from burstlens.simulate.replay import Recording
from support.commands import Home

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def test_the_demo_is_predicted_within_a_fifth(home: Home) -> None:
    done = await home.run("demo", "--requests=100", "--folder", home.data)
    assert done.code == 0, done.out
    log = await home.run("explain", "--data", home.data, "--json", "--last=10000")

    settings = settings_for(home.data)
    heartbeat_seconds = settings.worker.heartbeat_seconds
    recording = Recording.of(decisions_in(log.out.encode()), settings.scaling, heartbeat_seconds)
    real = recording.course.figures(recording.seconds)
    course = await asyncio.to_thread(recording.predicted, settings.scaling)
    predicted = course.figures(recording.seconds)
    off = predicted.errors(real)

    assert len(recording.arrivals) == 100
    figures = ("launches", "peak", "busy_seconds", "mean_backlog")
    assert max(abs(off[name]) for name in figures) <= 0.2, (predicted, real)
    # An instance goes when its heartbeat says that it is idle: when is chance, and up to a third of so short a run.
    allowed_seconds = 0.2 * real.instance_seconds + real.launches * heartbeat_seconds
    assert abs(predicted.instance_seconds - real.instance_seconds) <= allowed_seconds, (predicted, real)
