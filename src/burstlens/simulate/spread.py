"""The values of a `Duration` that are equally likely, in place of drawing each one. Pure."""

from statistics import NormalDist

import numpy as np

from burstlens.simulate.outcome import Floats
from burstlens.simulate.site import lognormal
from burstlens.simulate.world import Duration

_FINE = 4096


def quantiles(duration: Duration, count: int) -> Floats:
    """`count` equally likely values in seconds, ascending: each stands for its share of the distribution."""
    if not duration.sigma:
        return np.full(count, duration.median_seconds)
    normal = NormalDist()
    return lognormal(duration, np.array([normal.inv_cdf((number + 0.5) / count) for number in range(count)]))


def mean_seconds(duration: Duration) -> float:
    """The mean, after clipping."""
    return float(quantiles(duration, _FINE).mean())
