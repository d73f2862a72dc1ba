"""When requests come, as ascending offsets in seconds from the start of a scenario. Pure.

The processes are Poisson, with a rate that may change over time: many people who do not know of each other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from burstlens.simulate.outcome import Floats

_DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Spikes:
    """Short episodes at random times in which far more requests come than usual."""

    count: int = 3
    seconds: float = 60.0
    """How long each of them lasts."""
    times: float = 10.0
    """Its rate in multiples of the mean rate, in addition to what comes anyway."""


def burst(count: int, at: float = 0.0) -> Floats:
    """`count` requests at one moment, `at` seconds after the start.

    Raises:
        ValueError: the count or the moment is negative.
    """
    _at_least_zero("the number of requests in a burst", count)
    _at_least_zero("the moment of a burst", at)
    return np.full(count, float(at))


def poisson(rate: float, seconds: float, rng: np.random.Generator) -> Floats:
    """A Poisson process of `rate` requests per second for so many seconds.

    Raises:
        ValueError: the rate is negative, or the length not above 0.
    """
    _at_least_zero("an arrival rate", rate)
    _above_zero("the length of a scenario", seconds)
    # Given their number, the arrivals of a Poisson process are independent and uniform.
    return np.sort(rng.uniform(0.0, seconds, rng.poisson(rate * seconds)))


def diurnal(
    mean_rate: float,
    seconds: float,
    rng: np.random.Generator,
    *,
    period: float = _DAY_SECONDS,
    swing: float = 0.8,
    spikes: Spikes | None = None,
) -> Floats:
    """Day and night: a Poisson process whose rate is a sine wave, from its lowest at the start and back.

    Args:
        mean_rate: requests per second, over whole periods and without spikes.
        seconds: how long the scenario is.
        rng: where randomness comes from.
        period: seconds from one night to the next.
        swing: how far the rate goes up and down, as a share of the mean (0-1).
        spikes: what comes on top.

    Raises:
        ValueError: a number that makes no sense.
    """
    _at_least_zero("an arrival rate", mean_rate)
    _above_zero("the period of a day", period)
    if not 0 <= swing <= 1:
        message = f"the swing of a day must be between 0 and 1, not {swing:g}"
        raise ValueError(message)
    daily = _thinned(
        lambda at: mean_rate * (1 - swing * np.cos(2 * np.pi * at / period)), mean_rate * (1 + swing), seconds, rng
    )
    extra = _spikes(spikes, mean_rate, seconds, rng) if spikes else []
    return np.sort(np.concatenate([daily, *extra]))


def ramp(start_rate: float, end_rate: float, seconds: float, rng: np.random.Generator) -> Floats:
    """A Poisson process whose rate (requests per second) goes straight from one to the other.

    Raises:
        ValueError: a rate is negative, or the length not above 0.
    """
    _at_least_zero("an arrival rate", start_rate)
    _at_least_zero("an arrival rate", end_rate)
    return _thinned(
        lambda at: start_rate + (end_rate - start_rate) * at / seconds, max(start_rate, end_rate), seconds, rng
    )


def on_off(rate: float, on_seconds: float, off_seconds: float, seconds: float, rng: np.random.Generator) -> Floats:
    """A Poisson process of `rate` requests per second that comes and goes; it begins with on.

    Raises:
        ValueError: the rate or the pause is negative, or one of the lengths not above 0.
    """
    _at_least_zero("an arrival rate", rate)
    _above_zero("the time that it is on", on_seconds)
    _at_least_zero("the time that it is off", off_seconds)
    period = on_seconds + off_seconds
    return _thinned(lambda at: np.where(at % period < on_seconds, rate, 0.0), rate, seconds, rng)


def counts(offsets: Floats, step_seconds: float, seconds: float | None = None) -> Floats:
    """How many come in each step: the first is [0, step), the last one holds the last arrival.

    Args:
        offsets: ascending, in seconds.
        step_seconds: how long a step is.
        seconds: how long the whole is, if that is more or less than the arrivals need; later ones are left out.

    Raises:
        ValueError: the step is not above 0, or the offsets are negative, not finite or not ascending.
    """
    _above_zero("a step", step_seconds)
    if len(offsets) and not (np.isfinite(offsets).all() and offsets[0] >= 0 and (np.diff(offsets) >= 0).all()):
        message = "arrivals must be ascending, finite and not negative"
        raise ValueError(message)
    if seconds is not None:
        _at_least_zero("the length of a scenario", seconds)
        offsets = offsets[: np.searchsorted(offsets, seconds)]
    steps = np.floor(offsets / step_seconds).astype(np.int64)
    length = 0 if seconds is None else int(np.ceil(seconds / step_seconds))
    return np.bincount(steps, minlength=length).astype(np.float64)


def _spikes(spikes: Spikes, mean_rate: float, seconds: float, rng: np.random.Generator) -> list[Floats]:
    _at_least_zero("the number of spikes", spikes.count)
    _above_zero("the length of a spike", spikes.seconds)
    _at_least_zero("the height of a spike", spikes.times)
    if spikes.count and spikes.seconds > seconds:
        message = f"a spike of {spikes.seconds:g} s does not fit into a scenario of {seconds:g} s"
        raise ValueError(message)
    starts = rng.uniform(0.0, seconds - spikes.seconds, spikes.count)
    return [start + poisson(spikes.times * mean_rate, spikes.seconds, rng) for start in starts]


def _thinned(rate: Callable[[Floats], Floats], most: float, seconds: float, rng: np.random.Generator) -> Floats:
    """An inhomogeneous Poisson process by thinning (Lewis and Shedler 1979) one of its highest rate."""
    candidates = poisson(most, seconds, rng)
    kept = rng.uniform(0.0, most, len(candidates)) < rate(candidates) if most else np.zeros(0, dtype=bool)
    return candidates[kept]


def _at_least_zero(what: str, value: float) -> None:
    if not (np.isfinite(value) and value >= 0):
        message = f"{what} must be 0 or more, not {value:g}"
        raise ValueError(message)


def _above_zero(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        message = f"{what} must be above 0, not {value:g}"
        raise ValueError(message)
